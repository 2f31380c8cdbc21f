"""Classification on ImageNet: how good a backbone's weights are."""

from .classifier import ImageClassifier
from .compare import Candidate, compare
from .evaluate import Errors, error_table, evaluate
from .preprocessing import preprocessing_of

__all__ = [
    "Candidate",
    "Errors",
    "ImageClassifier",
    "compare",
    "error_table",
    "evaluate",
    "preprocessing_of",
]
