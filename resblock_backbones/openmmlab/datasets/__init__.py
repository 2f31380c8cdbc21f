"""Checks of the data that a config names."""
