"""Spaces: what axes mean, and every fault at once with its line."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

import edgesim as es
from edgesim.errors import InputError
from edgesim.sweeps.axis import parse_axis
from edgesim.sweeps.constraint import parse_constraint
from edgesim.sweeps.design import design_of
from edgesim.sweeps.labels import point_labels, varying_paths
from edgesim.sweeps.sampling import choices

SPACE_FILE = Path(__file__).parents[2] / "notebooks" / "space.yaml"
BAD = """\
model: minilm-sst2-e
axes:
  pu.vector_sise: [8, 16]
  pu.vector_size: [8, 12]
  exit_threshold: [-1]
  storage.reram.capacity: []
  clock.voltage: {low: 0.8 V, high: 0.6 V}
constraints:
  - area_mm2 < 2
  - areamm2 <= 2
  - __import__('os')
search: {method: annealing}
"""


def test_every_fault_of_a_space_comes_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(InputError) as caught:
        design_of(es.Space.load(path))
    lines = str(caught.value).splitlines()
    for number, words in (
        (3, "did you mean 'vector_size'"), (4, "got 12"), (5, "exit_threshold"),
        (6, "no values"), (7, "not below"), (10, "did you mean area_mm2"),
        (11, "write FIGURE <= NUMBER"), (12, "annealing"),
    ):  # fmt: skip
        assert any(f"bad.yaml:{number}: " in line and words in line for line in lines), words
    assert not any("bad.yaml:9" in line for line in lines)


def test_unknown_keys_and_missing_axes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("axis: {pu.vector_size: [2]}\n")
    with pytest.raises(InputError, match=r"bad.yaml:1: unknown key 'axis'; did you mean 'axes'"):
        es.Space.load(path)


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        design_of(es.Space(axes={}))


def test_a_trillion_points_are_refused_with_their_number() -> None:
    axes = {f"host.{name}": list(range(1, 101)) for name in (
        "config_write_cycles", "pu_config_writes", "sfu_config_writes", "pu_interrupt_cycles",
        "sfu_interrupt_cycles", "status_read_cycles",
    )}  # fmt: skip
    with pytest.raises(InputError, match=r"1,000,000,000,000 points .*sobol"):
        choices(design_of(es.Space(axes=axes)))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"axes": {"clock.voltage": {"low": "0.5 V", "high": "1 V", "num": 10**12}}},
         r"1,000,000,000,000 points \(1,000,000,000,000 clock.voltage\)"),
        ({"axes": {"exit_threshold": {"low": 0, "high": 1}},
          "search": {"method": "random", "points": 10**12}}, "points of random"),
        ({"axes": {}}, "the space is empty"),
        ({"axes": 3}, "axes: got 3; write a mapping"),
        ({"axes": {8: [1]}}, "got the name 8"),
        ({"axes": {"pu.vector_size": [8]}, "settings": 3}, "settings: got 3"),
        ({"axes": {"pu.vector_size": [8]}, "constraints": 7}, "constraints: got 7"),
        ({"axes": {"pu.vector_size": [8]}, "model": 7}, "model: got 7"),
        ({"axes": {"vector_size": [8]}}, "did you mean 'pu.vector_size'"),
        ({"axes": {"capacity": ["8 MiB"]}}, "did you mean 'storage.reram.capacity'"),
        ({"axes": {"exit_treshold": [0.1]}}, "did you mean 'exit_threshold'"),
        ({"axes": {"pu": [8]}}, "a section with vector_size"),
        ({"axes": {"strategy": ["latency_aware"]}}, "one of no-exit, fixed, entropy, latency-"),
        ({"axes": {"latency_target_s": ["50 mm"]}}, "allowed units of seconds"),
        ({"axes": {"latency_target_s": [0]}}, "seconds above 0"),
        ({"axes": {"latency_target_fraction": [-0.5]}}, "a share above 0"),
        ({"axes": {"exit_layer": [1.5]}}, "a layer from 1"),
    ],
)  # fmt: skip
def test_a_part_of_the_wrong_form_or_size_is_named_with_what_to_write(
    part: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        design_of(es.Space(**part))  # type: ignore[arg-type]


def test_a_search_whose_library_is_missing_says_what_to_install() -> None:
    search = {"method": "nsga2", "points": 8, "minimize": ["energy_j"]}
    with (
        mock.patch("edgesim.sweeps.search.find_spec", return_value=None),
        pytest.raises(InputError, match=r"nsga2 needs optuna; pip install 'edgesim\[sweep\]'"),
    ):
        design_of(es.Space(axes={"pu.vector_size": [8]}, search=search))


def test_an_axes_key_without_axes_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("model: minilm-sst2-ee\naxes:\n")
    with pytest.raises(InputError, match=r"s.yaml:2: axes is missing"):
        es.Space.load(path)


def test_the_example_space_has_more_than_a_thousand_points() -> None:
    design = design_of(es.Space.load(SPACE_FILE))
    assert design.grid_size == len(choices(design)) == 1440


def test_a_path_that_two_axes_set_is_a_fault() -> None:
    axes = {"pu.vector_size": [8], "both": [{"pu.vector_size": 16}]}
    with pytest.raises(InputError, match=r"set by pu\.vector_size and by both"):
        design_of(es.Space(axes=axes))


def test_a_grid_over_a_range_needs_a_number_of_values() -> None:
    space = es.Space(axes={"clock.voltage": {"low": "0.6 V", "high": "0.8 V"}})
    with pytest.raises(InputError, match="needs num"):
        design_of(space)


def test_ranges_go_in_equal_steps_or_equal_ratios() -> None:
    steps = parse_axis("clock.voltage", {"low": "0.6 V", "high": "0.8 V", "num": 3})
    assert steps.grid() == ("0.6 V", "0.7 V", "0.8 V")
    ratios = parse_axis("exit_threshold", {"low": 0.01, "high": 1, "num": 3, "log": True})
    assert ratios.grid() == (0.01, 0.1, 1.0)


@pytest.mark.parametrize(
    ("path", "low", "high", "middle"),
    [
        ("storage.reram.capacity", "1 MiB", "8 MiB", "4608 KiB"),
        ("storage.reram.capacity", "1 MiB", "7 MiB", "4 MiB"),
        ("buffers.auxiliary", "3 KiB", "6 KiB", "4608 B"),
        ("storage.lpddr4.port", "32 bit", "65 bit", "48 bit"),
        ("exit_layer", 1, 5, 3),
        ("pad_to", 16, 129, 72),
        ("exit_threshold", 0, 1, 0.5),
        ("clock.voltage", "0.6 V", "0.9 V", "0.75 V"),
    ],
)
def test_a_range_of_what_is_counted_takes_whole_values(
    path: str, low: object, high: object, middle: object
) -> None:
    axis = parse_axis(path, {"low": low, "high": high})
    assert (axis.at(0.0), axis.at(0.5), axis.at(1.0)) == (low, middle, high)
    design_of(es.Space(axes={path: {"low": low, "high": high, "num": 2}}))


def test_more_whole_numbers_than_there_are_between_two_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 5 are 5 whole numbers"):
        parse_axis("exit_layer", {"low": 1, "high": 5, "num": 6})


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_draws_repeat_with_their_seed_and_differ_from_each_other(method: str) -> None:
    if method == "sobol":
        pytest.importorskip("scipy", reason="the extra edgesim[sweep] is not installed")
    axes = {"pu.vector_size": [2, 4, 8, 16, 32], "exit_threshold": {"low": 0.0, "high": 0.7}}

    def drawn(seed: int) -> list[tuple[object, ...]]:
        search = {"method": method, "points": 20, "seed": seed}
        return choices(design_of(es.Space(axes=axes, search=search)))

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(drawn(1)) == len(set(drawn(1))) == 20
    assert {row[0] for row in drawn(1)} == {2, 4, 8, 16, 32}


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [("energy_j < 2", 2.0, False), ("energy_j <= 2", 2.0, True), ("accuracy >= .9", 0.91, True)],
)
def test_constraints_compare_one_figure_with_a_number(text: str, value: float, holds: bool) -> None:
    constraint = parse_constraint(text)
    figures = {constraint.column: value}
    assert (constraint.violation(figures) is None) == holds
    assert (constraint.excess(figures) <= 0) == holds


def test_labels_name_what_differs_and_leave_out_what_follows_from_it() -> None:
    choices_of = [
        {
            "pu.vector_size": n, "placement.embedding_weight": [cell, "lpddr4"],
            "buffers.operand0.data": size, "buffers.operand1.data": size, "dma.chunk": "8 KiB",
        }
        for n, cell, size in ((16, "reram_mlc2", "128 KiB"), (8, "reram_slc", "64 KiB"),
                              (8, "reram_mlc2", "64 KiB"), (16, "reram_slc", "64 KiB"))
    ]  # fmt: skip
    axis_of = {f"buffers.operand{number}.data": "buffers" for number in (0, 1)}
    paths = varying_paths(choices_of, axis_of)
    assert point_labels(choices_of, paths)[0] == "n=16, MLC2, 128 KiB"


def test_values_that_no_two_points_share_do_not_hide_each_other() -> None:
    drawn = [
        {"storage.reram.capacity": f"{1000 + number} KiB", "clock.voltage": f"0.{number} V"}
        for number in (6, 7, 8)
    ]
    labels = point_labels(drawn, varying_paths(drawn, {}))
    assert labels[0] == "ReRAM 1006 KiB, 0.6 V"
