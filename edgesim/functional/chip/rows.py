"""Row operations of the sound special function unit, on whole numbers held in float64.

Words are in units of 2^-F (`word.fraction_bits`), functions in 2^-G (`function_bits`). Every step
is a whole-number operation that a datapath of stated width does; all intermediates stay below
2^53, so float64 carries them exactly: words have at most 24 bits, functions and constants at most
18, and no step multiplies more than two of them. Rounding is to nearest, ties to even; inside
tables half up. Padding and invisible keys take no part in maxima, sums and means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.chip.tables import Table, Tables, tables_of
from edgesim.hw.arithmetic_spec import ArithmeticSpec

Whole = NDArray[np.float64]
CONSTANT_BITS = 15
"""Fraction bits of log2(e) and ln 2."""
LOG2_E = round(math.log2(math.e) * 2**CONSTANT_BITS)
LN_2 = round(math.log(2) * 2**CONSTANT_BITS)


@dataclass(frozen=True, eq=False)
class SpecialFunctions:
    """The unit with its widths and tables."""

    fraction_bits: int
    """F."""
    function_bits: int
    """G."""
    highest_word: int
    tables: Tables

    def exponential(self, difference: Whole) -> Whole:
        """exp of words as functions, at most 2 - 2^-G.

        2^t for t = difference · log2(e) with G fraction bits; its whole part shifts.
        """
        bits = self.function_bits
        power = np.rint(difference * (LOG2_E / 2.0 ** (self.fraction_bits + CONSTANT_BITS - bits)))
        whole = np.floor(power / 2**bits)
        raised = self.tables.exponential.at(power - whole * 2**bits, bits)
        shifted = np.rint(np.ldexp(raised, np.clip(whole, -64, 2).astype(np.int64)))
        return np.asarray(np.minimum(shifted, 2.0 ** (bits + 1) - 1))

    def significand(self, total: Whole) -> tuple[Whole, NDArray[np.int64]]:
        """Of whole numbers from 1 up, M - 1 in units of 2^-G and k: total = M · 2^k."""
        fraction, exponent = np.frexp(total)
        return np.rint((2 * fraction - 1) * 2**self.function_bits), exponent.astype(np.int64) - 1

    def softmax(
        self, scores: Whole, visible: NDArray[np.bool_] | None, read: Whole | None = None
    ) -> Whole:
        """Softmax of words over the last axis as functions; a row that sees nothing is 0.

        `read` is what is read after the maximum; None: the scores again.
        """
        largest = self._largest(scores, visible)
        raised = self.exponential((scores if read is None else read) - largest)
        if visible is not None:
            raised = np.where(visible, raised, 0.0)
        total = np.maximum(raised.sum(axis=-1, keepdims=True), 1.0)
        above, exponent = self.significand(total)
        inverse = self.tables.reciprocal.at(above, self.function_bits)
        return np.asarray(np.rint(np.ldexp(raised * inverse, -exponent)))

    @staticmethod
    def _largest(scores: Whole, visible: NDArray[np.bool_] | None) -> Whole:
        if visible is None:
            return np.asarray(scores.max(axis=-1, keepdims=True))
        seen = np.where(visible, scores, -np.inf).max(axis=-1, keepdims=True)
        return np.where(np.isfinite(seen), seen, 0.0)

    def entropy(self, logits: Whole, read: Whole | None = None) -> Whole:
        """Entropy in nats of softmax over the last axis of words, as words from 0 up.

        ln S + T / S with S = sum e, T = sum (max - x)·e, e = exp(x - max).
        """
        bits = self.function_bits
        below = (logits if read is None else read) - logits.max(axis=-1, keepdims=True)
        raised = self.exponential(below)
        total = np.maximum(raised.sum(axis=-1), 1.0)
        above, exponent = self.significand(total)
        log2 = self.tables.logarithm.at(above, bits) + (exponent - bits) * 2.0**bits
        logarithm = np.rint(log2 * (LN_2 / 2.0**CONSTANT_BITS))
        inverse = self.tables.reciprocal.at(above, bits)
        shift = -exponent - self.fraction_bits
        share = np.rint(np.ldexp((-below * raised).sum(axis=-1) * inverse, shift))
        entropy = np.rint((logarithm + share) / 2.0 ** (bits - self.fraction_bits))
        return np.asarray(np.clip(entropy, 0, self.highest_word))

    def normalise(self, x: Whole, epsilon: float) -> Whole:
        """(x - mean) / sqrt(variance) over the last axis of words, as functions.

        Sum and sum of squares are whole numbers of one pass; the variance N·Σx² - (Σx)² is exact
        in int64 for rows of up to 2^15 words of 16 bits. Epsilon counts in units of the squared
        word; a row of equal words gives zeros.
        """
        count, bits = x.shape[-1], self.function_bits
        total = x.sum(axis=-1, keepdims=True).astype(np.int64)
        squares = (x * x).sum(axis=-1, keepdims=True).astype(np.int64)
        unit_bits = 2 * self.fraction_bits
        variance = (count * squares - total * total) / count**2
        variance = variance + np.rint(math.ldexp(epsilon, unit_bits))
        fraction, exponent = np.frexp(np.where(variance > 0, variance, 1.0))
        power = exponent.astype(np.int64) - 1 - unit_bits
        half = power // 2
        above = np.rint((2 * np.ldexp(fraction, power - 2 * half) - 1) * 2**bits)
        inverse = self.tables.inverse_root.at(above, bits)
        mean = np.rint(total * 2.0 ** (bits - self.fraction_bits) / count)
        centred = x * 2.0 ** (bits - self.fraction_bits) - mean
        return np.asarray(np.rint(np.ldexp(centred * inverse, -bits - half)))

    def mean(self, x: Whole, present: NDArray[np.bool_]) -> Whole:
        """Mean over the rows of words (sentences, rows, width) that are present, as functions."""
        total = np.where(present[..., np.newaxis], x, 0.0).sum(axis=1, keepdims=True)
        count = present.sum(axis=1)[:, np.newaxis, np.newaxis]
        scaled = total * 2.0 ** (self.function_bits - self.fraction_bits)
        return np.asarray(np.rint(scaled / count))

    def activate(self, function: str, x: Whole) -> Whole:
        """GELU, its tanh approximation, or tanh of words, as functions."""
        magnitude = np.abs(x)
        if function == "tanh":
            return np.copysign(self.tables.tanh.at(magnitude, self.fraction_bits), x)
        table: Table = self.tables.gelu if function == "gelu" else self.tables.gelu_new
        straight = np.maximum(x, 0.0) * 2.0 ** (self.function_bits - self.fraction_bits)
        return straight - table.at(magnitude, self.fraction_bits)


def special_functions(spec: ArithmeticSpec) -> SpecialFunctions:
    """The special function unit of a chip's arithmetic section."""
    word = spec.word
    return SpecialFunctions(
        word.fraction_bits, spec.function_bits, 2 ** (word.bits - 1) - 1, tables_of(spec)
    )
