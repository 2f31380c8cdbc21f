"""What a network costs: parameters, FLOPs, saved activations, receptive field."""

from .summary import StageSummary, Summary, summarise

__all__ = ["StageSummary", "Summary", "summarise"]
