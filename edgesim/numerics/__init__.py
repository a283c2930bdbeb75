"""Number formats: encode, decode and round as the accelerator stores them. A leaf package."""

from edgesim.numerics.adaptivfloat import AdaptivFloat, SiliconFloat
from edgesim.numerics.floats import FloatFormat, small_float
from edgesim.numerics.formats import format_bits, format_names, parse_format
from edgesim.numerics.groups import Grouped
from edgesim.numerics.levels import Binary, Ternary
from edgesim.numerics.posit import Posit
from edgesim.numerics.protocol import NumberFormat
from edgesim.numerics.scaled import AffineInteger, BlockFloat, FixedPoint, Integer

__all__ = [
    "AdaptivFloat",
    "AffineInteger",
    "Binary",
    "BlockFloat",
    "FixedPoint",
    "FloatFormat",
    "Grouped",
    "Integer",
    "NumberFormat",
    "Posit",
    "SiliconFloat",
    "Ternary",
    "format_bits",
    "format_names",
    "parse_format",
    "small_float",
]
