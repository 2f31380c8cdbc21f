"""Predictions of a trained model for images and videos."""
