"""The backbone in a checkpoint: its tensors, its family, and what is known about it."""
