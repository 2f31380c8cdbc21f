"""Reading checkpoints without running code from them, by file, URL, or name."""
