"""Checkpoints read without running code from them, by file, URL, or name in a store."""
