"""What was measured of a model's activations, as a small JSON file beside its trace."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.files import json_text
from edgesim.ir.optrace import OpTrace
from edgesim.whole_file import write_whole

FILE_NAME = "activation_statistics.json"
KIND = "activation statistics"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measured:
    """One activation over the calibration set."""

    largest: float
    """Largest magnitude in float32."""
    density: float | None = None
    """Share of non-zeros in the chip's arithmetic; None where it was not counted."""
    null_vector_fraction: float | None = None
    """Share of all-zero vectors at the chip's vector size."""


@dataclass(frozen=True)
class ActivationStatistics:
    """Activations of one model by tensor name."""

    origin: str
    """The calibration set, in words."""
    zeros_origin: str | None
    """The same with the arithmetic in which zeros were counted; None where they were not."""
    tensors: Mapping[str, Measured]
    zeros_profile: str | None = None
    """Fingerprint of that arithmetic."""
    zeros_vector_size: int | None = None

    @classmethod
    def of(cls, trace: OpTrace) -> ActivationStatistics:
        """What a calibrated trace holds."""
        counted = trace.activation_statistics is not None
        return cls(
            origin=trace.calibration or "",
            zeros_origin=trace.activation_statistics,
            tensors={
                name: Measured(
                    tensor.largest, tensor.density if counted else None,
                    tensor.null_vector_fraction if counted else None,
                )
                for name, tensor in trace.tensors.items()
                if tensor.largest is not None
            },
            zeros_profile=trace.zeros_profile, zeros_vector_size=trace.zeros_vector_size,
        )  # fmt: skip

    def applied(self, trace: OpTrace) -> OpTrace:
        """The trace with these statistics; InputError where it is of another model."""
        strange = sorted(set(self.tensors) - set(trace.tensors))
        if strange:
            raise InputError(
                f"{KIND} name tensors that {trace.name!r} lacks: {', '.join(strange[:3])}; "
                "calibrate this model anew (edgesim calibrate)"
            )
        tensors = dict(trace.tensors)
        for name, found in self.tensors.items():
            tensors[name] = replace(tensors[name], largest=found.largest)
            if found.density is not None:
                tensors[name] = replace(
                    tensors[name], density=found.density,
                    null_vector_fraction=found.null_vector_fraction,
                )  # fmt: skip
        measured = replace(trace, tensors=tensors, calibration=self.origin)
        if self.zeros_origin is None:
            return measured
        return replace(
            measured, activation_statistics=self.zeros_origin, zeros_profile=self.zeros_profile,
            zeros_vector_size=self.zeros_vector_size,
        )  # fmt: skip

    def ranges(self) -> ActivationStatistics:
        """The same without zeros."""
        tensors = {name: Measured(found.largest) for name, found in self.tensors.items()}
        return ActivationStatistics(self.origin, None, tensors)

    def save(self, path: Path) -> None:
        """Write JSON; the file appears whole or not at all."""
        if not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist")
        content = {
            "kind": KIND, "schema_version": SCHEMA_VERSION, "origin": self.origin,
            "zeros_origin": self.zeros_origin, "zeros_profile": self.zeros_profile,
            "zeros_vector_size": self.zeros_vector_size,
            "tensors": {
                name: [found.largest, found.density, found.null_vector_fraction]
                for name, found in sorted(self.tensors.items())
            },
        }  # fmt: skip
        write_whole(path, (json_text(content, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> ActivationStatistics:
        """Read what `save` wrote; InputError for a missing, damaged or foreign file."""
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            if (content["kind"], content["schema_version"]) != (KIND, SCHEMA_VERSION):
                raise ValueError("of another kind or version")
            tensors = {name: _measured(row) for name, row in content["tensors"].items()}
            return cls(
                str(content["origin"]), _text(content["zeros_origin"]), tensors,
                _text(content.get("zeros_profile")), _size(content.get("zeros_vector_size")),
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path}: no {KIND} of edgesim ({error}); write them anew: edgesim calibrate"
            ) from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _size(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"vector size {value!r}")
    return value


def _measured(row: list[Any]) -> Measured:
    largest, *shares = row
    numbers = [float(largest), *(float(share) for share in shares if share is not None)]
    if len(shares) != 2 or any(not math.isfinite(x) or x < 0 for x in numbers):
        raise ValueError(f"row {row}")
    if any(share > 1 for share in numbers[1:]):
        raise ValueError(f"a share above 1 in {row}")
    return Measured(float(largest), *shares)
