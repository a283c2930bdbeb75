"""Number formats: encode, decode and round as the accelerator stores them. A leaf package."""

from edgesim.numerics.adaptivfloat import AdaptivFloat

__all__ = ["AdaptivFloat"]
