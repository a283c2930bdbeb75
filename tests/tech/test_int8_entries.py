"""Literature: the INT8 element of the AdaptivFloat paper, beside its AdaptivFloat element."""

from __future__ import annotations

import pytest

from edgesim.tech import load_technology


@pytest.mark.parametrize(
    ("size", "fj", "tops_per_mm2"), [(4, 227.61, 1.11), (8, 105.80, 1.59), (16, 52.21, 2.25)]
)
def test_int8_arrays_are_the_published_ones_scaled(
    size: int, fj: float, tops_per_mm2: float
) -> None:
    """DAC 2020, INT8/24/40 at 16 nm; 16 to 14 nm is 0.80 in energy and 0.91 in area."""
    technology = load_technology()
    energy = technology.value(f"pu.int8.n{size}.mac_energy_pj")
    area = technology.value(f"pu.int8.n{size}.area_mm2")
    assert energy == pytest.approx(fj * 0.80e-3, rel=2e-3)
    assert area == pytest.approx(size**2 * 1e-3 / tops_per_mm2 * 0.91, rel=3e-3)
    assert energy > technology.value(f"pu.n{size}.mac_energy_pj")
    assert area < technology.value(f"pu.n{size}.area_mm2")
