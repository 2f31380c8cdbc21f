"""What a network is made of, from its options to plain numbers, before any module is built."""

from .from_options import plan_network
from .network_plan import BlockPlan, NetworkPlan, SharedPlan, StagePlan, StemPlan

__all__ = ["BlockPlan", "NetworkPlan", "SharedPlan", "StagePlan", "StemPlan", "plan_network"]
