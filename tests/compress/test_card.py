"""The card's tables."""

from __future__ import annotations

from edgesim.compress.card import ramp_lines


def figures(*right: int) -> dict[str, object]:
    """Accuracies of ramps over 100 rows."""
    ramps = [
        {"value": num / 100, "correct": num, "num": 100, "low": 0.0, "high": 1.0} for num in right
    ]
    return {"accuracy_by_ramp": ramps}


def test_a_student_deeper_than_its_dense_model_shows_all_of_its_ramps() -> None:
    rows = [line.split("|")[1:-1] for line in ramp_lines(figures(70, 80, 81), figures(90))[2:]]
    assert [row[1].split()[0] for row in rows] == ["70.0", "80.0", "81.0"]
    assert [row[2].strip()[:4] for row in rows] == ["90.0", "", ""]


def test_a_shallower_student_shows_all_of_the_dense_model() -> None:
    rows = [line.split("|")[1:-1] for line in ramp_lines(figures(70), figures(88, 90))[2:]]
    assert [row[1].strip()[:4] for row in rows] == ["70.0", ""]
    assert [row[2].split()[0] for row in rows] == ["88.0", "90.0"]
