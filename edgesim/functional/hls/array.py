"""The released MAC array with its write-back: matrix products on codes, exact through BLAS."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.hls import codes, words
from edgesim.functional.hls.words import Integers

NUM_WORDS = 65536
"""Different contents of a 16-bit accumulator."""


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    right_shift: int,
    accum_bias: int,
    relu: bool = False,
    is_bias: bool = False,
    weight_bias: int = 0,
) -> NDArray[np.uint8]:
    """Codes of a·bᵀ, shape (m, n), for codes a (m, k) and b (n, k).

    Per element: 16-bit wrapping accumulator, arithmetic right shift by 0 … 31, plus `weight_bias`
    (int8, one for all outputs) if `is_bias`, ReLU, clip to ±32767, then AdaptivFloat of the word
    read as Q4.12 with bias register `accum_bias`. With operand biases bA and bB a code y means its
    value at bias accum_bias + right_shift + bA + bB - 16.
    """
    left, right = words.codes(a, "matmul a"), words.codes(b, "matmul b")
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise InputError(
            f"matmul: got shapes {left.shape} and {right.shape}; allowed are (m, k) and (n, k)"
        )
    shift = words.whole_number(right_shift, "right_shift", 0, 31)
    register = words.biases(words.whole_number(accum_bias, "accum_bias", 0, 7))
    added = words.whole_number(weight_bias, "weight_bias", -128, 127) if is_bias else 0
    return write_back(accumulate(left, right), shift, register, bool(relu), added)


def accumulate(a: Integers, b: Integers) -> Integers:
    """The 16-bit accumulators of a·bᵀ, int64 in -32768 … 32767, for checked codes.

    BLAS in float64 is exact here: an operand is an integer of magnitude at most 31·2^7 < 2^12, so
    products stay below 2^24 and sums of k of them, in any order, below k·2^24; integers up to 2^53
    are exact, so k may reach 2^29. Wrapping at each step equals wrapping once (modulo 2^16).
    """
    table = codes.operands(np.arange(256)).astype(np.float64)
    total = np.take(table, a) @ np.take(table, b).T
    return words.wrap(total.astype(np.int64), 16)


def write_back(
    accumulators: Integers, right_shift: int, register: Integers, relu: bool, added: int
) -> NDArray[np.uint8]:
    """Codes of accumulator words: shift, bias, ReLU, clip, Q4.12 to AdaptivFloat.

    Many words are looked up in a table of what each of the 65,536 possible ones becomes.
    """
    if accumulators.size > NUM_WORDS:
        every_word = np.arange(-NUM_WORDS // 2, NUM_WORDS // 2)
        table = write_back(every_word, right_shift, register, relu, added)
        return np.take(table, accumulators + NUM_WORDS // 2)
    word = words.wrap((accumulators >> right_shift) + added, 16)
    if relu:
        word = np.maximum(word, 0)
    return codes.from_fixed(np.clip(word, -words.WORD_MAX, words.WORD_MAX), 12, register)
