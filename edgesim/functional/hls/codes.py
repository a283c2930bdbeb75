"""AdaptivFloat<8,3> codes of the released datapath: values, fixed point, products, dot products.

A code is sign[7], exponent[6:4], mantissa[3:0] and means (-1)^s (1 + m/16) 2^(e + bias - 10), with
a 3-bit bias register per tensor; exponent and mantissa all zero mean zero. Mechanism as in the
released SystemC (harvard-acc/EdgeBERT, hw/cmod/include/AdpfloatSpec.h and AdpfloatUtils.h), its
defects included: products and sums wrap at 16 bits, and negative overflow turns into +maximum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.hls import words
from edgesim.functional.hls.words import Integers

EXPONENT_OFFSET = -10
"""Added to exponent field and bias register (`kAdpfloatOffset` in the source)."""
LARGEST_CODE = 0x7F


def fields(codes: Integers) -> tuple[Integers, Integers]:
    """Sign (+1 or -1, 0 for a zero code) and significand 16 … 31 shifted by the exponent field."""
    magnitude = codes & 0x7F
    sign = np.where(magnitude == 0, 0, 1 - 2 * (codes >> 7))
    return sign, (16 + (codes & 15)) << (magnitude >> 4)


def operands(codes: Integers) -> Integers:
    """Codes as the multiplier sees them: sign·(16 + m)·2^e, at most 3968 in magnitude."""
    sign, magnitude = fields(codes)
    return sign * magnitude


def decode(codes: ArrayLike, bias: ArrayLike) -> NDArray[np.float64]:
    """The values of codes 0 … 255 at bias registers 0 … 7, float64; arrays are broadcast."""
    code, register = words.codes(codes, "decode"), words.biases(bias)
    words.same_shape(("codes", code), ("bias", register))
    significand = operands(code).astype(np.float64)
    return np.asarray(np.ldexp(significand, register + (EXPONENT_OFFSET - 4)))


def to_fixed_q6_10(codes: ArrayLike, bias: ArrayLike) -> NDArray[np.int16]:
    """Codes as Q6.10 words of the special function unit, int16; the magnitude is truncated."""
    code, register = words.codes(codes, "to_fixed_q6_10"), words.biases(bias)
    words.same_shape(("codes", code), ("bias", register))
    return fixed(code, register).astype(np.int16)


def fixed(code: Integers, register: Integers) -> Integers:
    """`to_fixed_q6_10` on checked int64 arrays."""
    sign = np.where((code & 0x7F) == 0, 0, 1 - 2 * (code >> 7))
    shift = ((code >> 4) & 7) + register + (EXPONENT_OFFSET - 4 + words.NUM_FRACTION_BITS)
    significand = 16 + (code & 15)
    shifted = (significand << np.maximum(shift, 0)) >> np.maximum(-shift, 0)
    return words.wrap(sign * shifted, 16)


def quantize_float(values: ArrayLike, bias: ArrayLike) -> NDArray[np.uint8]:
    """Codes of float32 values by the source's `set_value`: mantissa truncated, clamped, sign kept.

    Magnitudes below half the smallest become 0, below the smallest the smallest, above the largest
    the largest (infinity too). NaN raises InputError.
    """
    number = np.asarray(values, dtype=np.float32).astype(np.float64)
    register = words.biases(bias)
    words.same_shape(("values", number), ("bias", register))
    if np.isnan(number).any():
        raise InputError("quantize_float: the values hold NaN, which no code means")
    smallest = np.ldexp(17 / 16, register + EXPONENT_OFFSET)
    largest = np.ldexp(31 / 16, register + EXPONENT_OFFSET + 7)
    magnitude = np.clip(np.abs(number), smallest, largest)
    fraction, exponent = np.frexp(magnitude)
    mantissa = np.floor(fraction * 32).astype(np.int64) - 16
    code = ((exponent - 1 - register - EXPONENT_OFFSET) << 4) | mantissa | ((number < 0) << 7)
    return np.where(np.abs(number) < smallest / 2, 0, code).astype(np.uint8)


def requantize(acc_int16: ArrayLike, frac_bits: int, bias: ArrayLike) -> NDArray[np.uint8]:
    """Codes of fixed-point words with `frac_bits` fraction bits, by the source's `set_value_fixed`.

    The mantissa rounds to nearest, ties toward +infinity. Exponents below the range give 0, above
    it 0x7F for either sign (the source forgets the sign). 10 fraction bits are the special function
    unit's words, 12 the accumulator's; 0 … 15 are allowed.
    """
    word = words.words(acc_int16, "requantize")
    register = words.biases(bias)
    words.same_shape(("words", word), ("bias", register))
    return from_fixed(word, words.whole_number(frac_bits, "frac_bits", 0, 15), register)


def from_fixed(word: Integers, frac_bits: int, register: Integers) -> NDArray[np.uint8]:
    """`requantize` on checked int64 arrays.

    Rounding two's complement mantissas toward +infinity is: magnitudes half up where positive,
    half down where negative. Magnitudes are at most 2^15, so shifts by 20 stay within int64.
    """
    magnitude = np.abs(word)
    exponent = np.frexp(np.maximum(magnitude, 1).astype(np.float64))[1].astype(np.int64) - 1
    scaled = magnitude << (20 - exponent)  # 1.0 is 2^20, one mantissa step 2^16
    significand = (scaled + np.where(word < 0, 0x7FFF, 0x8000)) >> 16
    carry = significand >> 5
    field = exponent + carry - frac_bits - register - EXPONENT_OFFSET
    code = (np.where(word < 0, 0x80, 0)) | (field << 4) | ((significand >> carry) & 15)
    code = np.where(field > 7, LARGEST_CODE, code)
    return np.where((word == 0) | (field < 0), 0, code).astype(np.uint8)


def product_int16(a: ArrayLike, b: ArrayLike) -> NDArray[np.int16]:
    """Products of codes in the MAC's own unit, wrapped at 16 bits; biases do not enter."""
    left, right = words.codes(a, "product_int16 a"), words.codes(b, "product_int16 b")
    words.same_shape(("a", left), ("b", right))
    return words.wrap(operands(left) * operands(right), 16).astype(np.int16)


def dot_int16(a: ArrayLike, b: ArrayLike) -> NDArray[np.int16]:
    """Dot products over the last axis, int16 with every product and sum wrapped.

    Wrapping commutes with addition modulo 2^16, so it is done once, on an int64 sum: 2^39 terms
    of less than 2^24 fit.
    """
    left, right = words.codes(a, "dot_int16 a"), words.codes(b, "dot_int16 b")
    if left.ndim == 0 or right.ndim == 0 or left.shape[-1] != right.shape[-1]:
        raise InputError(
            f"dot_int16: got shapes {left.shape} and {right.shape}; the last axes must be equal"
        )
    words.same_shape(("a", left), ("b", right))
    total = np.sum(operands(left) * operands(right), axis=-1)
    return np.asarray(words.wrap(total, 16)).astype(np.int16)
