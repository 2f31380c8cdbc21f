"""Whole models of MMDetection and MMSegmentation as files that need neither."""
