"""From which n on the GPU is beaten: what the ranges leave open is never called a win."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.ir.interval import Interval
from edgesim.report.crossover import (
    BETTER,
    UNDECIDED,
    WORSE,
    ChipAgainstBaseline,
    answer,
    crossover_section,
    verdict,
)

WIN, OPEN, LOSS = Interval(0.5, 0.4, 0.9), Interval(0.9, 0.5, 1.5), Interval(3.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(WIN, BETTER), (OPEN, UNDECIDED), (LOSS, WORSE), (Interval(0.9, 0.8, 1.0), UNDECIDED),
     (Interval(1.1, 1.0, 1.2), UNDECIDED), (Interval.exact(1.0), UNDECIDED)],
)  # fmt: skip
def test_a_range_that_touches_one_is_undecided(ratio: Interval, expected: str) -> None:
    assert verdict(ratio) == expected


@given(st.floats(0.01, 10), st.floats(0.01, 1), st.floats(1, 10))
def test_a_verdict_other_than_undecided_holds_at_both_ends(
    value: float, low: float, high: float
) -> None:
    ratio = Interval(value, value * low, value * high)
    ends = {end < 1 for end in (ratio.low, ratio.high)}
    if verdict(ratio) != UNDECIDED:
        assert ends == {verdict(ratio) == BETTER}


def test_the_answer_is_the_first_chip_from_which_all_win() -> None:
    rows = [("n2", LOSS), ("n4", OPEN), ("n8", WIN), ("n16", WIN)]
    assert answer(rows, "latency", "tx2") == (
        "latency: beats tx2 from n8 on, over the whole range; undecided: n4; worse: n2."
    )


def test_a_win_before_a_loss_is_told_but_is_not_the_answer() -> None:
    rows = [("n2", WIN), ("n4", LOSS), ("n8", WIN)]
    assert answer(rows, "energy", "tx2") == (
        "energy: beats tx2 from n8 on, over the whole range; also better: n2; worse: n4."
    )


def test_without_a_sure_win_at_the_end_there_is_no_answer() -> None:
    assert "no chip in this row beats tx2" in answer([("n2", WIN), ("n4", OPEN)], "energy", "tx2")


def test_the_section_states_each_chip_in_latency_and_in_energy() -> None:
    text = crossover_section([ChipAgainstBaseline("n2", LOSS, WIN),
                              ChipAgainstBaseline("n4", OPEN, OPEN)], "tx2")  # fmt: skip
    rows = [line for line in text.splitlines() if line.startswith("| n")]
    assert "slower" in rows[0]
    assert "less energy" in rows[0]
    assert rows[1].count("undecided") == 2


def test_without_chips_the_section_says_so() -> None:
    assert crossover_section([], "tx2").startswith("none")
