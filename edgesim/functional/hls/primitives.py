"""Primitives of the released special function unit: exp, ln, 1/sqrt and product on Q6.10 words.

Piecewise linear with the segment constants of ac_math 3.4.0, truncating and wrapping as executed.
Words are 16-bit patterns; they may be given signed or unsigned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.functional.hls import words
from edgesim.functional.hls.words import Integers

_EXP_SLOPES = (194, 230, 273, 325)
_EXP_OFFSETS = (1022, 1216, 1446, 1719)
_LOG_SLOPES = (348, 310, 281, 256, 236, 218, 204, 191)
_LOG_OFFSETS = (-2045, -1697, -1387, -1105, -849, -612, -394, -190)
_INVSQRT_SLOPES = (-331, -279, -240, -210, -185, -165, -148, -134)
_INVSQRT_OFFSETS = (5789, 5458, 5178, 4938, 4728, 4543, 4378, 4229)
_LOG2_E = 23637
"""log2(e) with 14 fraction bits."""
_LN_2 = 2839
"""ln 2 with 12 fraction bits."""
_SQRT_HALF = 2896
"""1/sqrt(2) with 12 fraction bits."""


def exp_q6_10(word: ArrayLike) -> NDArray[np.int32]:
    """exp of int16 Q6.10 words as unsigned Q6.10 words 0 … 65535, wrapped beyond 64."""
    return exponential(words.words(word, "exp_q6_10")).astype(np.int32)


def exponential(word: Integers) -> Integers:
    """`exp_q6_10` on int64 words -32768 … 32767.

    2^t for t = word·log2 e with 11 fraction bits: 4 segments of the fraction, shifted by the
    integer part, which lies in -47 … 46; the intermediate stays below 2^58.
    """
    power = words.wrap((word * _LOG2_E) >> 13, 18)
    segment, inside = (power >> 9) & 3, power & 511
    line = np.take(_EXP_SLOPES, segment) * inside + (np.take(_EXP_OFFSETS, segment) << 9)
    shift = (power >> 11) - 9
    shifted = (line << np.maximum(shift, 0)) >> np.maximum(-shift, 0)
    return np.asarray(shifted & 0xFFFF)


def _normalized(pattern: Integers) -> tuple[Integers, Integers]:
    """Distance above one half in 2^-16 and exponent e of unsigned Q6.10: value = (1/2 + d)·2^e."""
    length = np.frexp(np.maximum(pattern, 1).astype(np.float64))[1].astype(np.int64)
    return (np.maximum(pattern, 1) << (16 - length)) - 0x8000, length - 10


def log_q6_10(word: ArrayLike) -> NDArray[np.int16]:
    """ln of unsigned Q6.10 words 0 … 65535 as int16 Q6.10; ln(0) is 0."""
    return logarithm(words.words(word, "log_q6_10")).astype(np.int16)


def logarithm(word: Integers) -> Integers:
    """`log_q6_10` on int64 words, their low 16 bits read as unsigned."""
    pattern = word & 0xFFFF
    above, exponent = _normalized(pattern)
    position = above >> 1  # 3 integer and 11 fraction bits
    segment, inside = position >> 11, position & 2047
    line = np.take(_LOG_SLOPES, segment) * inside + (np.take(_LOG_OFFSETS, segment) << 11)
    out = ((line + (exponent << 22)) * _LN_2) >> 24
    return np.where(pattern == 0, 0, words.wrap(out, 16))


def invsqrt_q6_10(word: ArrayLike) -> NDArray[np.int32]:
    """1/sqrt of unsigned Q6.10 words as unsigned Q6.10 words 0 … 65535; 1/sqrt(0) is 65535."""
    return inverse_root(words.words(word, "invsqrt_q6_10")).astype(np.int32)


def inverse_root(word: Integers) -> Integers:
    """`invsqrt_q6_10` on int64 words, their low 16 bits read as unsigned."""
    pattern = word & 0xFFFF
    above, exponent = _normalized(pattern)
    segment, inside = above >> 12, above & 4095
    line = np.take(_INVSQRT_SLOPES, segment) * inside + (np.take(_INVSQRT_OFFSETS, segment) << 12)
    line = np.where(exponent & 1 == 1, (line * _SQRT_HALF) >> 12, line)
    out = line >> (14 + (exponent >> 1))
    return np.where(pattern == 0, 0xFFFF, out & 0xFFFF)


def multiply_q6_10(a: ArrayLike, b: ArrayLike) -> NDArray[np.int16]:
    """Products of int16 Q6.10 words, shifted right by 10 (floor) and wrapped, int16."""
    left, right = words.words(a, "multiply_q6_10 a"), words.words(b, "multiply_q6_10 b")
    words.same_shape(("a", left), ("b", right))
    return multiply(left, right).astype(np.int16)


def multiply(a: Integers, b: Integers) -> Integers:
    """`multiply_q6_10` on int64 words -32768 … 32767."""
    return words.wrap((a * b) >> words.NUM_FRACTION_BITS, 16)
