"""Number formats by name, as traces, chips and recipes write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from edgesim.errors import InputError
from edgesim.numerics.adaptivfloat import AdaptivFloat, SiliconFloat
from edgesim.numerics.floats import small_float, standard_floats
from edgesim.numerics.groups import Grouped
from edgesim.numerics.levels import Binary, Ternary
from edgesim.numerics.posit import Posit
from edgesim.numerics.protocol import NumberFormat
from edgesim.numerics.scaled import AffineInteger, BlockFloat, FixedPoint, Integer

_NAME = re.compile(r"^([a-z][a-z0-9_]*?)(?:<(-?\d+(?:,-?\d+)*)>)?(?:/(row|vector(\d+)))?$")
_INTEGER = re.compile(r"^int(\d+)$")
_WITH_NUMBERS: Mapping[str, tuple[int, Callable[..., NumberFormat]]] = MappingProxyType(
    {
        "adaptivfloat": (2, AdaptivFloat),
        "fixed": (2, FixedPoint),
        "int": (1, Integer),
        "affine": (1, AffineInteger),
        "bfp": (1, BlockFloat),
        "float": (2, small_float),
        "posit": (2, Posit),
    }
)
_PLAIN: Mapping[str, Callable[[], NumberFormat]] = MappingProxyType(
    {
        "fp8_e4m3": lambda: SiliconFloat(8, 4),
        "fp4_e3m0": lambda: SiliconFloat(4, 3),
        "binary": Binary,
        "ternary": Ternary,
    }
)


def format_names() -> tuple[str, ...]:
    """The names that `parse_format` knows, with letters for numbers."""
    return (
        "adaptivfloat<n,e>", "fixed<n,f>", "int<n>", "affine<n>", "bfp<n>", "float<n,e>",
        "posit<n,es>", *_PLAIN, *standard_floats(),
    )  # fmt: skip


def parse_format(name: str) -> NumberFormat:
    """The format of a name such as `adaptivfloat<8,3>`, `int8`, `bfp<8>/vector16`, `float32`.

    `/row` and `/vectorN` give every row, or every N elements of a row, a parameter of its own.
    """
    match = _NAME.match(name) if isinstance(name, str) else None
    inner = None if match is None else _inner(match[1], match[2])
    if match is None or inner is None:
        raise InputError(_unknown(name))
    if match[3] is None:
        return inner
    if inner.parameter_bits == 0:
        raise InputError(
            f"number format {name!r}: {inner.name} has no parameter; leave out /{match[3]}"
        )
    return Grouped(inner, None if match[4] is None else int(match[4]))


def _inner(word: str, numbers: str | None) -> NumberFormat | None:
    if numbers is None:
        if word in _PLAIN:
            return _PLAIN[word]()
        integer = _INTEGER.match(word)
        return Integer(int(integer[1])) if integer else standard_floats().get(word)
    given = [int(number) for number in numbers.split(",")]
    count, make = _WITH_NUMBERS.get(word, (0, None))
    return make(*given) if make is not None and len(given) == count else None


def _unknown(name: object) -> str:
    close = difflib.get_close_matches(str(name), format_names(), n=1, cutoff=0.5)
    hint = f"; nearest is {close[0]}" if close else ""
    return (
        f"number format {name!r}{hint}; allowed: {', '.join(format_names())}, each with /row or "
        "/vectorN behind it where it has a parameter"
    )


@lru_cache(maxsize=256)
def format_bits(name: str) -> int:
    """Stored bits per element of a format such as `adaptivfloat<8,3>`, `int8` or `float32`."""
    return parse_format(name).bits
