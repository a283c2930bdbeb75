"""Figures as data: what a record must say, and that every one of the package can be simulated."""

from __future__ import annotations

import inspect

import pytest

from edgesim.errors import InputError
from edgesim.validation.comparison import MEASURES, all_figures
from edgesim.validation.executed_rows import executed_folder, executed_ops
from edgesim.validation.figure import TOLERANCES
from edgesim.validation.figure_file import parse_figures, written_figures
from edgesim.validation.vectors import REPLAYS

SOUND = """
one:
  {group: g, what: w, standing: derived, source: s, unit: ms, value: 2, simulate: matmul_ms}
"""


def test_a_sound_record_is_read_with_what_its_file_has_in_common() -> None:
    text = "common: {group: g, source: s, unit: ms}\n" + SOUND.replace("group: g, ", "")
    (figure,) = parse_figures({"a.yaml": text})
    assert (figure.id, figure.group, figure.value, figure.tolerance) == ("one", "g", 2, 0.10)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("source: s, ", "", "one: source is missing"),
        ("derived", "guessed", "one.standing: got 'guessed'; allowed: executed, published"),
        ("derived", "recalled", "one: what is only shown says why it differs"),
        ("derived", "derived, tolerance: 0.5", "one: unknown key 'tolerance'"),
        ("derived", "derived, bound: 3, cause: c", "a bound belongs to an executed figure"),
        ("{group", "[group", "not valid YAML"),
        ("one:", "common: 3\none:", "common: got 3; a mapping is wanted"),
        ("one:", "one: 3\none:", "one is given twice; keep one"),
        ("derived", "2026-99-99", "one.standing is '2026-99-99'"),
    ],
)
def test_a_faulty_record_is_named_with_its_file(old: str, new: str, words: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml.*" + words.replace("'", ".")):
        parse_figures({"a.yaml": SOUND.replace(old, new)})


def test_an_id_is_given_once_over_all_files() -> None:
    with pytest.raises(InputError, match=r"b\.yaml:2: one: given twice"):
        parse_figures({"a.yaml": SOUND, "b.yaml": SOUND})


def test_every_figure_calls_a_simulation_with_arguments_that_it_takes() -> None:
    for figure in all_figures():
        signature = inspect.signature(MEASURES[figure.simulate])
        signature.bind(None, **dict(figure.arguments))


def test_every_simulation_serves_a_figure() -> None:
    assert set(MEASURES) == {figure.simulate for figure in all_figures()}


def test_every_executed_row_and_every_file_of_vectors_is_compared() -> None:
    ids = {figure.id for figure in all_figures()}
    assert len(executed_ops()) == 125
    assert {f"systemc.cycles.{row}" for row in executed_ops()} <= ids
    files = [path.name for path in (executed_folder() / "systemc_vectors").iterdir()]
    vectors = {name.removesuffix(".csv.gz") for name in files if name.endswith(".csv.gz")}
    assert {f"systemc.bits.{name}" for name in vectors} <= ids
    assert set(REPLAYS) == vectors


def test_what_was_recalled_or_measured_on_a_foreign_chip_is_never_judged() -> None:
    never = {
        "recalled", "up to", "v1", "gpu", "silicon", "memory tool", "mapping tool",
    }  # fmt: skip
    assert {name for name, tolerance in TOLERANCES.items() if tolerance is None} == never
    for figure in written_figures():
        if "recalled" in figure.source:
            assert figure.tolerance is None
        if "v1, abstract" in figure.source:
            assert figure.standing == "v1"
        if "ISSCC" in figure.source:
            assert figure.tolerance is None


def test_figures_that_tables_rest_on_are_marked_as_inputs() -> None:
    inputs = {figure.id for figure in written_figures() if figure.input_of_model}
    assert {f"dac.mac_n{n}" for n in (4, 8, 16)} <= inputs
