"""Row operations of the released special function unit: add, layer norm, softmax, entropy, DVFS.

Mechanism as in the released SystemC (harvard-acc/EdgeBERT, hw/cmod: ElemAdd, LayerNorm, SMax, Enpy,
Dvfs). `_as_released` marks operations whose values the source computes wrongly. Rows that are no
multiple of the vector size are padded with zero codes, which take part as they do on the chip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.functional.hls import codes, primitives, words
from edgesim.functional.hls.words import Integers

DVFS_EDGES = (
    256, 512, 1024, 2048, 3072, 4096, 5120, 6144, 8192, 10240, 12288, 16384, 20480, 24576, 28672,
)  # fmt: skip
"""Lower edges of voltage-frequency bins 1 … 15 in scaled entropy."""


def elemadd(
    a: ArrayLike, b: ArrayLike, bias_a: ArrayLike, bias_b: ArrayLike, bias_out: ArrayLike
) -> NDArray[np.uint8]:
    """Codes of a + b: both as Q6.10, added with 16-bit wrap, back to AdaptivFloat at `bias_out`."""
    left, right = words.codes(a, "elemadd a"), words.codes(b, "elemadd b")
    registers = [words.biases(bias_a, "bias_a"), words.biases(bias_b, "bias_b")]
    out = words.biases(bias_out, "bias_out")
    named = [("a", left), ("b", right), ("bias_a", registers[0]), ("bias_b", registers[1])]
    words.same_shape(*named, ("bias_out", out))
    total = codes.fixed(left, registers[0]) + codes.fixed(right, registers[1])
    return codes.from_fixed(words.wrap(total, 16), words.NUM_FRACTION_BITS, out)


def layernorm(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    bias: ArrayLike,
    bias_gamma: ArrayLike,
    *,
    bias_beta: ArrayLike | None = None,
    vector_size: int = words.VECTOR_SIZE,
) -> NDArray[np.uint8]:
    """Codes of layer norm over the last axis, same shape as `x`.

    gamma and beta are (length,) or broadcast to `x`; biases are one for all or one per row. `beta`
    is checked and then not used: the source reads the bytes of gamma in its place, under beta's
    register (`bias_beta`; None: the same as gamma's). Sums are 16 bits per vector and 20 bits per
    row, the square of the mean 17 bits signed, and there is no epsilon.
    """
    row = words.codes(x, "layernorm x")
    scale = words.codes(gamma, "layernorm gamma")
    words.same_shape(("x", row), ("gamma", scale), ("beta", words.codes(beta, "layernorm beta")))
    cut = words.vectors(row, vector_size, "layernorm x")
    register = words.row_biases(bias, row, "bias")
    value = codes.fixed(cut, register[..., np.newaxis])
    mean, inverse = _moments(value, cut.shape[-2] * cut.shape[-1])
    flat = value.reshape(*row.shape[:-1], -1)[..., : row.shape[-1]]
    factor = codes.fixed(scale, words.row_biases(bias_gamma, row, "bias_gamma"))
    normal = primitives.multiply(words.wrap(flat - mean, 16), inverse)
    shift = bias_gamma if bias_beta is None else bias_beta
    added = codes.fixed(scale, words.row_biases(shift, row, "bias_beta"))
    out = words.wrap(primitives.multiply(normal, factor) + added, 16)
    return codes.from_fixed(out, words.NUM_FRACTION_BITS, register)


def _moments(value: Integers, count: int) -> tuple[Integers, Integers]:
    """Mean and 1/sqrt(variance) of Q6.10 vectors (…, num_vectors, n), as int16 (…, 1)."""
    square = primitives.multiply(value, value)
    sums = [
        words.wrap(words.wrap(part.sum(axis=-1), 16).sum(axis=-1), 20) for part in (value, square)
    ]
    mean, mean_square = [words.wrap(words.divide(total, count), 16) for total in sums]
    squared_mean = words.wrap(mean * mean, 17) >> words.NUM_FRACTION_BITS
    variance = words.wrap(mean_square - squared_mean, 16)
    inverse = words.wrap(primitives.inverse_root(variance), 16)
    return np.expand_dims(mean, -1), np.expand_dims(inverse, -1)


def _raw_words(cut: Integers) -> Integers:
    """Vectors of bytes read as 16-bit words, low byte first; the upper half of the lanes is 0."""
    pairs = cut[..., 0::2] | (cut[..., 1::2] << 8)
    return words.wrap(np.concatenate([pairs, np.zeros_like(pairs)], axis=-1), 16)


def _largest(cut: Integers, register: Integers) -> Integers:
    """Row maximum of the codes' Q6.10 words, (…, 1, 1); padding counts as 0."""
    value = codes.fixed(cut, register[..., np.newaxis])
    largest: Integers = value.max(axis=(-2, -1), keepdims=True)
    return np.maximum(largest, -words.WORD_MAX)


def softmax_as_released(
    x: ArrayLike,
    span: ArrayLike,
    bias: ArrayLike,
    bias_span: ArrayLike,
    *,
    vector_size: int = words.VECTOR_SIZE,
) -> NDArray[np.uint8]:
    """Codes that the released softmax writes for rows of codes, same shape as `x`.

    After the maximum the source reads raw bytes as 16-bit words, and it takes the logarithm of the
    sum in place once per vector, so vector v subtracts ln applied v+1 times. Sums wrap at 16 bits.
    `span` is (length,) or broadcast to `x`, multiplied in after normalisation. Rows are taken one
    by one; `read_by_softmax` gives what several rows in one operation would read.
    """
    row, mask = words.codes(x, "softmax x"), words.codes(span, "softmax span")
    words.same_shape(("x", row), ("span", mask))
    cut = words.vectors(row, vector_size, "softmax x")
    register = words.row_biases(bias, row, "bias")
    normal = _released_softmax(_raw_words(cut), _largest(cut, register))
    flat = normal.reshape(*row.shape[:-1], -1)[..., : row.shape[-1]]
    masked = primitives.multiply(
        words.wrap(flat, 16), codes.fixed(mask, words.row_biases(bias_span, row, "bias_span"))
    )
    return codes.from_fixed(masked, words.NUM_FRACTION_BITS, register)


def _released_softmax(raw: Integers, largest: Integers) -> Integers:
    """Unsigned Q6.10 exponentials of raw words (…, num_vectors, n), ln once per vector."""
    raised = primitives.exponential(words.wrap(raw - largest, 16))
    total = words.wrap(raised.sum(axis=(-2, -1), keepdims=True), 16)
    out = np.empty_like(raw)
    for vector in range(raw.shape[-2]):
        total = primitives.logarithm(total)
        lowered = raw[..., vector : vector + 1, :] - (largest + total)
        out[..., vector : vector + 1, :] = primitives.exponential(words.wrap(lowered, 16))
    return out


def entropy_as_released(
    x: ArrayLike, bias: ArrayLike, threshold: ArrayLike, *, vector_size: int = words.VECTOR_SIZE
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Entropy as int16 and status (3 exit, 2 continue) that the released unit gives per row.

    Exit is entropy ≤ threshold, both as int16. The source reads raw bytes as words, exponentiates
    x·(x - max) and divides two Q6.10 sums as integers. Where the sum of exponentials is 0 its
    division is undefined; the quotient is 0 here.
    """
    row = words.codes(x, "entropy x")
    cut = words.vectors(row, vector_size, "entropy x")
    largest = _largest(cut, words.row_biases(bias, row, "bias"))
    raw = _raw_words(cut)
    below = words.wrap(raw - largest, 16)
    axes = (-2, -1)
    total = words.wrap(primitives.exponential(below).sum(axis=axes), 16)
    weighted = words.wrap(primitives.exponential(words.wrap(raw * below, 16)).sum(axis=axes), 16)
    quotient = words.wrap(words.divide(weighted, total), 16)
    result = words.wrap(primitives.logarithm(total) + largest[..., 0, 0] - quotient, 16)
    limit = words.words(threshold, "threshold")
    words.same_shape(("rows", result), ("threshold", limit))
    return result.astype(np.int16), np.where(result <= limit, 3, 2)


def dvfs_bins(entropy_int16: ArrayLike, scale: ArrayLike) -> NDArray[np.int64]:
    """Voltage-frequency bins 0 … 15 of entropies divided (toward zero) by a scale of 1 … 255.

    The bin is the index into the 16 voltage codes; the 15 frequency codes are indexed by
    min(bin, 14), see `dco_index`.
    """
    entropy = words.words(entropy_int16, "entropy_int16")
    divisor = words.integers(scale, "scale", 1, 255)
    words.same_shape(("entropy_int16", entropy), ("scale", divisor))
    scaled = words.divide(entropy, divisor)
    return np.asarray(np.searchsorted(np.array(DVFS_EDGES), scaled, side="right"))


def dco_index(bins: ArrayLike) -> NDArray[np.int64]:
    """Index into the 15 frequency codes for bins 0 … 15; the last two bins share one."""
    return np.minimum(words.integers(bins, "bins", 0, 15), 14)
