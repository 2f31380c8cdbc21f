"""Annotations and predictions drawn over images: boxes, masks, label maps, and their colours."""
