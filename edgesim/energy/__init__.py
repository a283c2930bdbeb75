"""Event logs times technology entries: joules, leakage and area."""

from edgesim.energy.area import AreaEstimate, area, estimate_area
from edgesim.energy.price import PricedRun, price

__all__ = ["AreaEstimate", "PricedRun", "area", "estimate_area", "price"]
