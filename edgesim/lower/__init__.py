"""PyTorch modules lowered to op traces."""

from edgesim.lower.lowering import lower

__all__ = ["lower"]
