"""Classification on ImageNet: what a backbone's weights are worth before training a detector."""

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
