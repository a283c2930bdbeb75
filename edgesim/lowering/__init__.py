"""PyTorch modules lowered to op traces."""

from edgesim.lowering.lowering import lower

__all__ = ["lower"]
