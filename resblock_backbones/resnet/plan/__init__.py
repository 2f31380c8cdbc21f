"""The plan of a network: plain data, resolved from its options before any module is built."""

from .from_options import plan_network
from .network_plan import BlockPlan, NetworkPlan, SharedPlan, StagePlan, StemPlan

__all__ = ["BlockPlan", "NetworkPlan", "SharedPlan", "StagePlan", "StemPlan", "plan_network"]
