"""Commands for a backbone and its weights."""
