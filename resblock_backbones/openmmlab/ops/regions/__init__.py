"""Operators that pool a region of a feature map."""
