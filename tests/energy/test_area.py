"""Area: parts, sums, growth with buffers."""

from __future__ import annotations

import pytest
from toy_runs import toy_chip

from edgesim.energy import area, estimate_area
from edgesim.tech import load_technology

SIZES = (2, 4, 8, 16, 32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", ["value", "low", "high"])
def test_parts_are_positive_and_sum_to_the_total(size: int, end: str) -> None:
    total, parts = area(toy_chip(f"edgebert-n{size}"), load_technology())
    assert all(getattr(part, end) > 0 for part in parts.values())
    assert sum(getattr(part, end) for part in parts.values()) == pytest.approx(getattr(total, end))
    assert set(parts) == {"pu", "operand0", "operand1", "auxiliary", "reram_mlc2"}


def test_area_is_the_sum_of_array_sram_and_reram_written_out() -> None:
    total, _ = area(toy_chip(), load_technology())
    sram_mm2 = (2 * (128 + 16) + 32) / 1024 * 0.663
    assert total.value == pytest.approx(0.1252 + sram_mm2 + 2 * 0.08)


def test_area_grows_with_buffers_storage_and_lanes() -> None:
    technology = load_technology()
    base = area(toy_chip(), technology)[0].value
    for overrides in (
        {"buffers__operand0__data": "256 KiB"}, {"buffers__auxiliary": "64 KiB"},
        {"storage__reram__capacity": "8 MiB"},
    ):  # fmt: skip
        assert area(toy_chip(**overrides), technology)[0].value > base
    by_size = [area(toy_chip(f"edgebert-n{n}"), technology)[0].value for n in SIZES]
    assert by_size == sorted(by_size)


def test_parts_without_a_source_are_named_and_not_zero() -> None:
    estimate = estimate_area(toy_chip(), load_technology())
    assert "sfu" not in estimate.parts_mm2
    assert len(estimate.not_modelled) == 3
    lanes = estimate_area(toy_chip(pu__vector_size=64), load_technology())
    assert "pu" not in lanes.parts_mm2
    assert any("n = 64" in line for line in lanes.not_modelled)


def test_the_modelled_part_stays_below_the_recalled_area_of_the_whole_chip() -> None:
    """Recalled, not published here: about 1.39 mm² at n = 16; ours lacks SFU, ports, regulator."""
    assert area(toy_chip(), load_technology())[0].high < 1.39
