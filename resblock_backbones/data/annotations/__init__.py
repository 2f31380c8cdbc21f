"""Annotation files: reading, checks of every value, what a loader will use, certain repairs."""
