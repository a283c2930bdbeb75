"""The released EdgeBERT datapath bit for bit, on integer arrays, its defects included.

Codes are AdaptivFloat<8,3> bytes 0 … 255, biases the contents 0 … 7 of 3-bit registers, words
16-bit patterns. Mechanism: harvard-acc/EdgeBERT, hw/cmod; checked against executions of it.
"""

from edgesim.functional.hls.array import matmul
from edgesim.functional.hls.codes import (
    decode,
    dot_int16,
    product_int16,
    quantize_float,
    requantize,
    to_fixed_q6_10,
)
from edgesim.functional.hls.decoder import read_by_softmax
from edgesim.functional.hls.primitives import exp_q6_10, invsqrt_q6_10, log_q6_10, multiply_q6_10
from edgesim.functional.hls.rows import (
    dco_index,
    dvfs_bins,
    elemadd,
    entropy_as_released,
    layernorm,
    softmax_as_released,
)

__all__ = [
    "dco_index",
    "decode",
    "dot_int16",
    "dvfs_bins",
    "elemadd",
    "entropy_as_released",
    "exp_q6_10",
    "invsqrt_q6_10",
    "layernorm",
    "log_q6_10",
    "matmul",
    "multiply_q6_10",
    "product_int16",
    "quantize_float",
    "read_by_softmax",
    "requantize",
    "softmax_as_released",
    "to_fixed_q6_10",
]
