"""Number formats by name, as traces, chips and recipes write them."""

from __future__ import annotations

import re

from edgesim.errors import InputError

_PLAIN_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "int4": 4}
_ADAPTIVFLOAT = re.compile(r"^adaptivfloat<(\d+),(\d+)>$")


def format_bits(name: str) -> int:
    """Stored bits per element of a format such as `adaptivfloat<8,3>`, `int8` or `float32`."""
    match = _ADAPTIVFLOAT.match(name)
    if match:
        return int(match[1])
    if name not in _PLAIN_BITS:
        raise InputError(
            f"number format {name!r}; allowed: adaptivfloat<n,e>, {', '.join(_PLAIN_BITS)}"
        )
    return _PLAIN_BITS[name]
