"""Energy against bank size."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.errors import TechnologyError
from edgesim.tech import interpolate, load_technology

READ = "read_energy_pj_per_bit"


def test_a_size_at_a_point_is_the_point() -> None:
    energy, points = interpolate(load_technology(), "sram.bank", READ, 8192)
    assert energy == load_technology().interval("sram.bank_8192_bytes.read_energy_pj_per_bit")
    assert points == ("sram.bank_8192_bytes.read_energy_pj_per_bit",)


def test_between_points_the_line_is_straight_in_logarithms() -> None:
    energy, points = interpolate(load_technology(), "sram.bank", READ, 2048)
    assert len(points) == 2
    assert energy.value == pytest.approx(math.sqrt(0.0163 * 0.0306))


def test_the_line_through_16_kib_agrees_with_an_executed_wider_macro() -> None:
    """Executed tool: 16 KiB behind a 16-bit port, 0.717 pJ per access, 0.0448 pJ/bit.

    A byte port costs more per bit than a wider one, and an access no more than the wider one.
    """
    energy, _ = interpolate(load_technology(), "sram.bank", READ, 16384)
    assert 0.0448 < energy.value < 0.717 / 8


def test_the_executed_mask_memory_lies_within_ten_percent_of_two_byte_banks() -> None:
    energy, _ = interpolate(load_technology(), "sram.bank", READ, 16384 // 2)
    assert energy.value == pytest.approx(0.0448, rel=0.1)


@pytest.mark.parametrize("size_bytes", [255, 2**20 + 1])
def test_nothing_is_extrapolated(size_bytes: int) -> None:
    with pytest.raises(TechnologyError, match=f"no point for {size_bytes} bytes"):
        interpolate(load_technology(), "sram.bank", READ, size_bytes)


@given(st.integers(256, 2**20), st.integers(256, 2**20))
def test_larger_banks_cost_more_per_bit(first: int, second: int) -> None:
    technology = load_technology()
    small, _ = interpolate(technology, "sram.bank", READ, min(first, second))
    large, _ = interpolate(technology, "sram.bank", READ, max(first, second))
    assert small.value <= large.value * (1 + 1e-12)
    assert small.low <= small.value <= small.high
