"""Training and testing from a config: runner, hooks, processes, reports."""
