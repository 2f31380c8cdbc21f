"""Rotated boxes, quadrilaterals and point sets, and what is read from feature maps by them."""
