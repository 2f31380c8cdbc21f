"""Annotation formats of other tools, read into one form; originals are never changed."""
