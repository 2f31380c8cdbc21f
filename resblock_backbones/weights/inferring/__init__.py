"""Options of a network, inferred from the shapes of its weights."""
