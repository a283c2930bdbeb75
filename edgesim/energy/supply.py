"""Supply: how energy follows voltage, and what the regulator loses."""

from __future__ import annotations

import math

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.interval import Interval
from edgesim.tech import Technology, known_media

REFERENCE = "voltage.reference_v"
EXPONENT = "voltage.dynamic_energy_exponent"
LEAKAGE = "voltage.leakage_exponent_per_v"
EFFICIENCY = "ldo.current_efficiency_fraction"
INPUT = "ldo.input_voltage_v"


def dynamic_scale(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[Interval, tuple[str, ...]]:
    """Factor on on-chip dynamic energy at the chip's voltage, (V / V_reference)^k; entries used.

    Exactly 1, resting on no entry but the reference, at the reference voltage.
    """
    ratio = chip.clock.voltage_v / technology.value(REFERENCE)
    if ratio == 1.0:
        return Interval.exact(1.0), ()
    exponent = technology.interval(EXPONENT)
    ends = [ratio**exponent.low, ratio**exponent.high]
    return Interval(ratio**exponent.value, min(ends), max(ends)), (REFERENCE, EXPONENT)


def leakage_scale(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[Interval, tuple[str, ...]]:
    """Factor on leakage power at the chip's voltage, V / V_reference · exp(k ΔV); entries used."""
    reference_v = technology.value(REFERENCE)
    ratio = chip.clock.voltage_v / reference_v
    if ratio == 1.0:
        return Interval.exact(1.0), ()
    slope = technology.interval(LEAKAGE)
    step_v = chip.clock.voltage_v - reference_v
    value, *ends = (ratio * math.exp(k * step_v) for k in (slope.value, slope.low, slope.high))
    return Interval(value, min(ends), max(ends)), (REFERENCE, LEAKAGE)


def keeps_supply(unit: str) -> bool:
    """Whether a unit's supply stays as it is when that of logic and SRAM is scaled."""
    medium = known_media().get(unit)
    return unit == "adpll" or (medium is not None and not medium.is_sram)


def regulator_loss(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[Interval, tuple[str, ...]]:
    """Loss of the linear regulator as a share of the energy behind it; entries used.

    A linear regulator draws the load's current, over its current efficiency, at its input
    voltage: loss = V_in / (efficiency · V_out) - 1, with V_in at least V_out. The measured power
    of a test chip holds its regulator's loss.
    """
    if chip.silicon is not None:
        return Interval.exact(0.0), ()
    output_v = chip.clock.voltage_v
    input_v, efficiency = technology.interval(INPUT), technology.interval(EFFICIENCY)
    loss = [
        max(source_v, output_v) / (share * output_v) - 1
        for source_v, share in (
            (input_v.value, efficiency.value),
            (input_v.low, efficiency.high),
            (input_v.high, efficiency.low),
        )
    ]
    return Interval(*loss), (INPUT, EFFICIENCY)
