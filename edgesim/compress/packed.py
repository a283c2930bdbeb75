"""Weights as the zoo stores them: AdaptivFloat codes of the non-zeros, bitmask, exponent bias.

Each tensor NAME becomes four safetensors entries: `NAME.codes` (uint8, one per non-zero in row
order), `NAME.mask` (bits of the flattened tensor, first element in the highest bit),
`NAME.exponent_bias` and `NAME.shape`. Same tensors, same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

ENTRIES = ("codes", "mask", "exponent_bias", "shape")
MIN_BIAS, MAX_BIAS = -126, 120
"""Exponent biases whose values are all normal float32 numbers at up to five exponent bits."""


def pack(tensors: Mapping[str, NDArray[np.float32]], number_format: AdaptivFloat) -> bytes:
    """The safetensors bytes of float32 tensors.

    Raises InputError naming every tensor that is not exactly representable in the format at its
    own exponent bias, holds NaN, or is too small or large for float32.
    """
    if number_format.bits > 8:
        raise InputError(f"{number_format.name}: stored codes have at most 8 bits")
    entries: dict[str, NDArray[np.generic]] = {}
    faults = []
    for name, tensor in tensors.items():
        values = np.asarray(tensor, dtype=np.float32)
        if not np.isfinite(values).all():
            faults.append(f"{name} holds NaN or infinite values")
            continue
        bias = number_format.bias_for(values)
        if not MIN_BIAS <= bias <= MAX_BIAS:
            faults.append(f"{name}: exponent bias {bias}; allowed {MIN_BIAS} to {MAX_BIAS}")
            continue
        codes = number_format.encode(values, bias)
        wrong = int((number_format.decode(codes, bias) != values).sum())
        if wrong:
            faults.append(f"{name}: {wrong} of {values.size} values lie between two codes")
        nonzero = codes.reshape(-1) != 0
        entries[f"{name}.codes"] = codes.reshape(-1)[nonzero]
        entries[f"{name}.mask"] = np.packbits(nonzero)
        entries[f"{name}.exponent_bias"] = np.array([bias], dtype=np.int32)
        entries[f"{name}.shape"] = np.array(values.shape, dtype=np.int64)
    if faults:
        raise InputError(f"weights are not in {number_format.name}: {'; '.join(faults)}")
    content: bytes = save(entries)
    return content


def unpack(
    content: bytes, number_format: AdaptivFloat, where: str
) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of what `pack` wrote; `where` names the file in messages.

    Raises InputError for bytes that are no safetensors file or whose entries contradict each
    other.
    """
    try:
        entries = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{where}: not a readable safetensors file ({error})") from None
    tensors = {}
    for name in sorted({key.rpartition(".")[0] for key in entries}):
        missing = [entry for entry in ENTRIES if f"{name}.{entry}" not in entries]
        if missing:
            raise InputError(f"{where}: tensor {name!r} lacks {', '.join(missing)}")
        codes, mask, bias, shape = (entries[f"{name}.{entry}"] for entry in ENTRIES)
        tensors[name] = _unpack_one(codes, mask, bias, shape, number_format, f"{where}: {name}")
    return tensors


def _unpack_one(
    codes: NDArray[np.uint8], mask: NDArray[np.uint8], bias: NDArray[np.int32],
    shape: NDArray[np.int64], number_format: AdaptivFloat, where: str,
) -> NDArray[np.float32]:  # fmt: skip
    dtypes = tuple(str(array.dtype) for array in (codes, mask, bias, shape))
    if dtypes != ("uint8", "uint8", "int32", "int64") or bias.shape != (1,):
        raise InputError(f"{where}: entries have the wrong types; write the model anew")
    if not MIN_BIAS <= int(bias[0]) <= MAX_BIAS:
        raise InputError(f"{where}: exponent bias {int(bias[0])}; allowed {MIN_BIAS} to {MAX_BIAS}")
    size = math.prod(int(extent) for extent in shape)
    if (shape < 0).any() or len(mask) != -(-size // 8):
        raise InputError(f"{where}: a mask of {len(mask)} bytes for shape {tuple(shape.tolist())}")
    nonzero = np.unpackbits(mask, count=size).astype(bool)
    if int(nonzero.sum()) != len(codes):
        raise InputError(f"{where}: {len(codes)} codes for {int(nonzero.sum())} mask bits")
    values = np.zeros(size, dtype=np.float32)
    table = number_format.code_table(int(bias[0])).astype(np.float32)
    if codes.size and int(codes.max()) >= len(table):
        raise InputError(f"{where}: code {int(codes.max())} is none of {number_format.name}")
    values[nonzero] = table[codes]
    return values.reshape(tuple(shape.tolist()))
