"""Functions as tables with linear interpolation: exp, log, 1/x, 1/sqrt, GELU, tanh.

With segments of width h an entry and a result are each rounded once, so a result is off by at most
h²/8 · max|f''| + 2^-G for G fraction bits; a test runs every input word.
At the widths of edgebert-n16 (G = 15, 64 segments a unit, 256 up to 8) the bounds are: 2^f 6.0e-5,
log2 7.5e-5, 1/m 9.2e-5, 1/sqrt 5.4e-5, GELU 1.3e-4, its tanh form 1.4e-4, tanh
1.3e-4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.chip import kernels
from edgesim.hw.arithmetic_spec import ArithmeticSpec

Whole = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """Entries at the ends of equal segments of a function's range, which begins at `low`."""

    entries: NDArray[np.int64]
    """Whole numbers of 2^-fraction_bits."""
    segments_per_unit_log2: int
    """log2 of the segments between low and low + 1; negative for segments wider than 1."""
    fraction_bits: int

    def at(self, above: Whole, fraction_bits: int) -> Whole:
        """Results (in 2^-fraction_bits of the table) at whole distances above `low`.

        Distances are in units of 2^-`fraction_bits`, which may not be wider than a segment; those
        behind the range give the last entry.
        """
        out = np.empty(above.shape)
        shift = fraction_bits - self.segments_per_unit_log2
        kernels.interpolate(np.ascontiguousarray(above).ravel(), self.entries, shift, out.ravel())
        return out


def make_table(
    function: Callable[[float], float], low: float, units: int, segments: int, fraction_bits: int
) -> Table:
    """The table of a function over low … low + units (a power of two, as segments are)."""
    ends = low + units * np.arange(segments + 1) / segments
    entries = np.rint([function(float(x)) * 2**fraction_bits for x in ends]).astype(np.int64)
    per_unit = round(math.log2(segments / units))
    return Table(entries, per_unit, fraction_bits)


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def gelu_deficit(x: float) -> float:
    """ReLU minus GELU, x·Φ(-x) for x >= 0: the same for x and -x."""
    return x * _normal(-x)


def gelu_new_deficit(x: float) -> float:
    """ReLU minus the tanh approximation of GELU, for x >= 0: the same for x and -x."""
    return 0.5 * x * (1 - math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@dataclass(frozen=True, eq=False)
class Tables:
    """All tables of a chip."""

    exponential: Table
    """2^f, f from 0."""
    logarithm: Table
    """log2(m), m from 1."""
    reciprocal: Table
    """1/m, m from 1."""
    inverse_root: Table
    """1/sqrt(m), m from 1 to 4, a fourth unit unused."""
    gelu: Table
    """ReLU minus GELU of |x|."""
    gelu_new: Table
    tanh: Table
    """tanh of |x|."""


@lru_cache(maxsize=8)
def tables_of(spec: ArithmeticSpec) -> Tables:
    """The tables that a chip's arithmetic section asks for."""
    bits, limit = spec.function_bits, spec.activation_limit

    def activation(function: Callable[[float], float]) -> Table:
        return make_table(function, 0.0, limit, spec.activation_segments, bits)

    return Tables(
        exponential=make_table(lambda f: 2.0**f, 0.0, 1, spec.exponential_segments, bits),
        logarithm=make_table(math.log2, 1.0, 1, spec.logarithm_segments, bits),
        reciprocal=make_table(lambda m: 1 / m, 1.0, 1, spec.reciprocal_segments, bits),
        inverse_root=make_table(lambda m: m**-0.5, 1.0, 4, 4 * spec.inverse_root_segments, bits),
        gelu=activation(gelu_deficit),
        gelu_new=activation(gelu_new_deficit),
        tanh=activation(math.tanh),
    )
