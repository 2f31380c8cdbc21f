"""Config files: read, checked, listed."""
