"""The card's tables."""

from __future__ import annotations

from edgesim.compress.assessment import load_evaluation
from edgesim.compress.card import card_text, dev_lines, matthews_lines, ramp_lines
from edgesim.compress.recipe import load_recipe
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.paths import zoo_path


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


def test_a_task_with_matthews_correlation_shows_it_beside_accuracy() -> None:
    exits = {"1": {"threshold_nats": 0.2}}
    dev = {"matthews": {"by_ramp": [0.0, 0.312], "exits": {"1": 0.25}}, "exits": exits}
    dense = {"matthews": {"by_ramp": [0.1, 0.4, 0.5], "exits": {}}}
    lines = matthews_lines(dev, dense)
    assert "0.250 at 0.20 nats" in lines[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:-1]]
    assert rows == [["1", "0.000", "0.100"], ["2", "0.312", "0.400"], ["3", "", "0.500"]]


def test_a_task_without_it_has_no_such_lines() -> None:
    point = {**figures(80)["accuracy_by_ramp"][0]}  # type: ignore[index]
    exit_point = {"threshold_nats": 0.2, "accuracy": point, "average_exit_layer": 1.0}
    dev = {**figures(80), "exits": {"1": exit_point}, "exit_table": []}
    assert "Matthews" not in "".join(dev_lines(dev))


def test_notes_of_a_recipe_stay_text_in_its_card() -> None:
    folder = zoo_path("minilm-sst2-ee")
    recipe = load_recipe(folder / "recipe.yaml")
    noted = recipe.model_copy(update={"notes": "![x](/path/secret.png) <script>a</script> [b][c]"})
    text = card_text(noted, load_zoo_config(folder), load_evaluation(folder))
    assert r"- ![x]\(/path/secret.png) &lt;script>a&lt;/script> [b]\[c]" in text
    assert "](" not in text
