"""What the sound arithmetic of a chip consists of, and the defects that can be switched on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgesim.errors import InputError
from edgesim.hw.arithmetic_spec import ArithmeticSpec
from edgesim.hw.spec import AcceleratorSpec

DEFECTS = (
    "accumulator wraps at 16 bits",
    "sign lost on saturation",
    "beta read from gamma",
    "softmax and entropy on raw bytes",
    "exit at most, on words",
)
WRAPS, SIGN_LOST, BETA_IS_GAMMA, RAW_BYTES, EXIT_AT_MOST = DEFECTS
WRAPPING_BITS = 16


@dataclass(frozen=True)
class Profile:
    """The data behind the values of one chip; defects are those of the released SystemC."""

    number_format: str
    """Operands of products, `adaptivfloat<n,e>` or `int<n>`."""
    accumulator_bits: int
    vector_size: int
    on_chip: tuple[str, ...]
    """Activation functions behind the accumulator; others are the host's, in float32."""
    spec: ArithmeticSpec
    defects: frozenset[str] = frozenset()

    def with_defects(self, defects: Iterable[str]) -> Profile:
        """The same with defects of DEFECTS switched on."""
        chosen = frozenset(defects)
        unknown = sorted(chosen - set(DEFECTS))
        if unknown:
            raise InputError(f"defects {', '.join(unknown)}; allowed: {', '.join(DEFECTS)}")
        return replace(self, defects=chosen)

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all of this."""
        content = {
            "number_format": self.number_format, "accumulator_bits": self.accumulator_bits,
            "vector_size": self.vector_size, "on_chip": sorted(self.on_chip),
            "spec": self.spec.model_dump(mode="json"), "defects": sorted(self.defects),
        }  # fmt: skip
        if self.accumulator_bits >= LOSSLESS_BITS and not self.defects:
            del content["vector_size"]  # sums that never saturate do not show their order
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


LOSSLESS_BITS = 40
"""Accumulators that no sum of 2^15 products of AdaptivFloat<8,3> codes can overflow."""


def profile_of(chip: AcceleratorSpec) -> Profile:
    """The sound arithmetic of a chip; InputError for a chip that states none."""
    if chip.arithmetic is None:
        raise InputError(
            f"chip {chip.name}: no `arithmetic` section, so its values are not modelled; "
            "add one (as in edgebert-n16) or use --arithmetic float32"
        )
    return Profile(
        number_format=chip.pu.number_format, accumulator_bits=chip.pu.accumulator_bits,
        vector_size=chip.pu.vector_size, on_chip=tuple(chip.pu.activation_functions),
        spec=chip.arithmetic,
    )  # fmt: skip
