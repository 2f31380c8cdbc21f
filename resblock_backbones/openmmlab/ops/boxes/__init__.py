"""Operators on boxes: overlaps and suppression."""
