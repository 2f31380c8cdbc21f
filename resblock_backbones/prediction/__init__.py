"""Predictions of trained models: what they are, drawn and as files; models that run alone."""

from .prediction import Prediction
from .predictor import Predictor

__all__ = ["Prediction", "Predictor"]
