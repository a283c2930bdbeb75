"""Replays of the recorded vectors: what was recorded beside what edgesim computes, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional import hls
from edgesim.validation.executed_rows import Vectors

Pair = tuple[NDArray[Any], NDArray[Any]]
"""Computed and recorded outputs, of one shape."""


def _decode(v: Vectors) -> list[Pair]:
    code, bias = v.whole("code"), v.whole("bias")
    printed = np.array([float(f"{value:.10g}") for value in hls.decode(code, bias)])
    return [
        (printed, v["value"]),
        (hls.to_fixed_q6_10(code, bias), v.whole("to_fixed16_frac10")),
    ]


def _quantize(v: Vectors) -> list[Pair]:
    return [(hls.quantize_float(v["value"], v.whole("bias")), v.whole("code"))]


def _from_fixed(v: Vectors) -> list[Pair]:
    words, bias = v.whole("int16"), v.whole("bias")
    return [(hls.requantize(words, bits, bias), v.whole(f"code_frac{bits}")) for bits in (10, 12)]


def _product(v: Vectors) -> list[Pair]:
    return [(hls.product_int16(v.whole("code_a"), v.whole("code_b")), v.whole("product_int16"))]


def _dot(v: Vectors) -> list[Pair]:
    dots = hls.dot_int16(v.block("a"), v.block("b"))
    shifted = np.clip(dots.astype(np.int64) >> v.whole("writeback_shift"), -32767, 32767)
    codes = hls.requantize(shifted, 12, v.whole("bias"))
    return [(dots, v.whole("dot16_int16")), (codes, v.whole("code"))]


def _primitive(function: Callable[[Any], Any], given: str, result: str) -> Any:
    def replay(v: Vectors) -> list[Pair]:
        return [(function(v.whole(given)), v.whole(result))]

    return replay


def _multiply(v: Vectors) -> list[Pair]:
    return [(hls.multiply_q6_10(v.whole("a"), v.whole("b")), v.whole("out"))]


def _matmul(v: Vectors) -> list[Pair]:
    left, right = v.block("a_k"), v.block("b_k")
    names = ("right_shift", "adf_accum_bias", "relu", "is_bias", "weight_bias")
    settings = np.stack([v.whole(name) for name in names], axis=1)
    pairs = []
    for setting in np.unique(settings, axis=0):
        rows = (settings == setting).all(axis=1)
        shift, bias, relu, is_bias, weight_bias = setting.tolist()
        got = hls.matmul(left[rows], right[rows], shift, bias, bool(relu), bool(is_bias),
                         weight_bias)  # fmt: skip
        pairs.append((np.diagonal(got), v.whole("y")[rows]))
    return pairs


def _add(v: Vectors) -> list[Pair]:
    names = ("a", "b", "adpbias_a", "adpbias_b", "adpbias_out")
    return [(hls.elemadd(*(v.whole(name) for name in names)), v.whole("y"))]


def _layernorm(v: Vectors) -> list[Pair]:
    gamma = v.block("gamma_and_beta")
    got = hls.layernorm(v.block("x"), gamma, gamma, v.whole("adpbias"), v.whole("adpbias_gamma"))
    return [(got, v.block("y"))]


def _softmax(v: Vectors) -> list[Pair]:
    got = hls.softmax_as_released(
        v.block("x"), v.block("span"), v.whole("adpbias"), v.whole("adpbias_span")
    )
    return [(got, v.block("y"))]


def _entropy(v: Vectors) -> list[Pair]:
    entropy, status = hls.entropy_as_released(
        v.block("x"), v.whole("adpbias"), v.whole("threshold")
    )
    bins = hls.dvfs_bins(entropy, v.whole("enpy_scale"))
    return [
        (entropy, v.whole("model_entropy_int16")),
        (status, v.whole("hw_status(3=exit,2=continue)")),
        (bins, v.whole("hw_ldo_idx")),
        (hls.dco_index(bins), v.whole("hw_dco_idx")),
    ]


REPLAYS: Mapping[str, Callable[[Vectors], list[Pair]]] = MappingProxyType(
    {
        "adpfloat_decode": _decode,
        "adpfloat_from_fixed": _from_fixed,
        "adpfloat_mac16": _dot,
        "adpfloat_mul16": _product,
        "adpfloat_quantize_float": _quantize,
        "elemadd_system": _add,
        "emul_q6_10": _multiply,
        "entropy_dvfs_as_is": _entropy,
        "layernorm_system": _layernorm,
        "matmul_system": _matmul,
        "sfu_exp": _primitive(hls.exp_q6_10, "in_int16_q6.10", "out_uint16_q6.10"),
        "sfu_invsqrt": _primitive(hls.invsqrt_q6_10, "in_uint16_q6.10", "out_uint16_q6.10"),
        "sfu_log": _primitive(hls.log_q6_10, "in_uint16_q6.10", "out_int16_q6.10_raw"),
        "softmax_as_is_system": _softmax,
    }
)
"""By name of the file of vectors."""


def matching_outputs(name: str) -> tuple[int, int]:
    """Recorded outputs that edgesim computes to the bit, and all of them."""
    pairs = REPLAYS[name](Vectors.read(name))
    return sum(int((a == b).sum()) for a, b in pairs), sum(b.size for _, b in pairs)
