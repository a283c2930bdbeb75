"""Totals of a run: percentiles, bounds, spills and traffic by hand, and their names."""

from __future__ import annotations

import pytest
from synthetic_results import accelerator_result, gpu_result

from edgesim.ir.figures import FIGURES, INTERVALS, SegmentTotals
from edgesim.statistics import nearest_rank

TOTALS = SegmentTotals([3, 0, 1], [0.5, 9.0, 2.0], [80, 800, 8], [10, 99, 30], [5, 99, 15])
"""Three segments; no sentence ran the second."""


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0), (0.26, 2.0)])
def test_a_percentile_is_the_value_of_the_nearest_rank(share: float, value: float) -> None:
    assert nearest_rank([4.0, 1.0, 3.0, 2.0], share) == value


def test_segments_count_as_often_as_sentences_ran_them() -> None:
    assert TOTALS.ideal_latency_s(2) == (3 * 0.5 + 2.0) / 2
    assert TOTALS.spilled_bytes(16) == 2 + 10
    assert TOTALS.traffic_over_compulsory == 60 / 30
    assert SegmentTotals([], [], [], [], []).traffic_over_compulsory == 1.0


def test_a_result_states_the_figures_that_a_sweep_stores() -> None:
    for result in (accelerator_result(), gpu_result()):
        stated, stored = result.to_json(), result.figures.to_json()
        assert set(stored) == {*FIGURES, *(f"{n}_{e}" for n in INTERVALS for e in ("low", "high"))}
        assert {name: stated[name] for name in FIGURES} == {name: stored[name] for name in FIGURES}
        assert stored["latency_p95_s"] == result.percentile("latency_s", 0.95)
    assert stored["area_mm2"] is None
