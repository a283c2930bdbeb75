"""Activation functions in float32, as PyTorch computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@nb.njit(cache=True, nogil=True)
def _erf_of(values, out):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        out[i] = math.erf(values[i])


def _erf(x: Array) -> Array:
    out = np.empty(x.size, dtype=np.float32)
    _erf_of(np.ascontiguousarray(x).ravel(), out)
    return out.reshape(x.shape)


def _gelu(x: Array) -> Array:
    return np.float32(0.5) * x * (1 + _erf(x * np.float32(math.sqrt(0.5))))


def _gelu_new(x: Array) -> Array:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "relu": lambda x: np.maximum(x, np.float32(0)),
        "gelu": _gelu,
        "gelu_new": _gelu_new,
        "tanh": np.tanh,
    }
)
