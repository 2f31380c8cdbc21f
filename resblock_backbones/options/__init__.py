"""Checks of options, with messages that name the option, its value and what would work."""
