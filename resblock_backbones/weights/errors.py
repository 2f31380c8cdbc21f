"""What goes wrong with checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not fit; the message says which, why, what to do."""
