"""The optional `voltage_scaling` section of a chip: the voltages it may run at, with clocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from edgesim.units import parse_quantity

Hertz = Annotated[
    float, BeforeValidator(lambda v: parse_quantity(v, "hertz")), Field(ge=1e6, le=1e10)
]
Volts = Annotated[float, BeforeValidator(lambda v: parse_quantity(v, "volts")), Field(ge=0.3, le=2)]


class VoltagePair(BaseModel):
    """A supply voltage and the clock it carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    voltage_v: Volts = Field(alias="voltage")
    """Supply of logic and SRAM."""
    frequency_hz: Hertz = Field(alias="frequency")
    """Clock at that supply."""


class VoltageScalingSpec(BaseModel):
    """Operating points below the chip's own clock, which is always the fastest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str | None = None
    """Name of a table of pairs among the technology entries, such as `edgebert_simulated`."""
    pairs: tuple[VoltagePair, ...] = ()
    """Own pairs, lowest voltage first; they replace the table."""

    @field_validator("pairs")
    @classmethod
    def _rising(cls, pairs: tuple[VoltagePair, ...]) -> tuple[VoltagePair, ...]:
        for number, (low, high) in enumerate(pairwise(pairs), start=2):
            if high.voltage_v <= low.voltage_v or high.frequency_hz <= low.frequency_hz:
                raise ValueError(
                    f"pair {number} ({high.voltage_v:g} V, {high.frequency_hz / 1e6:g} MHz) must "
                    f"lie above pair {number - 1} ({low.voltage_v:g} V, "
                    f"{low.frequency_hz / 1e6:g} MHz) in voltage and frequency"
                )
        return pairs
