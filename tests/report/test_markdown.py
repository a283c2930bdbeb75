"""What report.md says: every honest line, tables that are tables, sections that never vanish."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import accelerator_result, demo_results, gpu_result

from edgesim.ir.interval import Interval
from edgesim.ir.result import SimResult
from edgesim.report import ChipAgainstBaseline, Section, compare
from edgesim.report.markdown import report_markdown
from edgesim.report.sections import by_line, schedule_section
from edgesim.report.table import markdown_table, text_table

HEADINGS = (
    "Comparison", "Ratios", "From which n does the chip beat the GPU", "Pictures",
    "What limits each layer", "Breakdown", "Area, storage and mapping",
    "Schedules of the special function unit", "Assumed", "Fitted", "Not modelled", "Sources",
    "Inputs", "How to reproduce",
)  # fmt: skip
BARE = {
    "bottlenecks": (), "roofline": (), "breakdown": (), "sources": (), "assumed": (),
    "fitted": (), "not_modelled": (), "notes": (), "operating_points": (), "inputs": {},
    "schedule_range_s": {}, "area_parts_mm2": {}, "area_mm2": None, "settings": {},
    "average_exit_layer": None,
}  # fmt: skip


def text_of(results: list[SimResult]) -> str:
    against = [ChipAgainstBaseline("edgebert-n2", Interval(0.5, 0.4, 0.6), Interval(2, 1.5, 3))]
    return report_markdown(
        compare(results), "Title", [Section("Extra", "Extra text.")], [], against, "tx2-maxn",
        ["edgesim run x --chip y"],
    )  # fmt: skip


def section(text: str, heading: str) -> str:
    return re.split(r"^## ", text.split(f"\n## {heading}\n", 1)[1], flags=re.MULTILINE)[0].strip()


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)[1:-1]


def assert_tables_are_well_formed(text: str) -> int:
    """Every block of lines that start with a pipe has one width and a rule; count the blocks."""
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    for block in blocks:
        lines = block.split("\n")
        widths = {len(cells(line)) for line in lines if line.startswith("|")}
        assert len(widths) == 1
        assert {cell.strip() for cell in cells(lines[1])} == {"---"}
        assert len([line for line in lines if line.startswith("|")]) > 2
    return len(blocks)


def test_every_assumed_fitted_and_not_modelled_line_is_in_its_section() -> None:
    results = demo_results()
    text = text_of(results)
    for name, heading in (("assumed", "Assumed"), ("fitted", "Fitted"),
                          ("not_modelled", "Not modelled")):  # fmt: skip
        body = section(text, heading)
        for result in results:
            for line in getattr(result, name):
                assert f"- {line}" in body


def test_a_line_that_not_all_results_have_names_those_that_do() -> None:
    body = section(text_of(demo_results()), "Not modelled").splitlines()
    assert body == [
        "- power-on load",
        "- clock tree — edgebert-n16",
        "- area of the GPU — tx2-maxn",
    ]


def test_every_section_is_there_even_for_a_result_that_says_nothing() -> None:
    text = text_of([accelerator_result(**BARE)])
    found = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert [heading for heading in found if heading != "Extra"] == list(HEADINGS)
    for heading in ("Assumed", "Fitted", "Not modelled", "Sources", "Inputs"):
        assert section(text, heading) == "none"


def test_tables_are_well_formed_with_pipes_in_names_and_sources() -> None:
    text = text_of(demo_results())
    assert assert_tables_are_well_formed(text) > 10
    assert r"a \| b, 2019" in text


@given(st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_table_keeps_its_width_whatever_its_cells_hold(rows: list[list[str]]) -> None:
    lines = markdown_table(["a", "b", "c"], rows).split("\n")
    assert len(lines) == len(rows) + 2
    for line in lines:
        unescaped = line.replace("\\\\", "")
        assert len(re.findall(r"(?<!\\)\|", unescaped)) == 4


def test_the_header_says_model_sentences_batch_length_and_arithmetic() -> None:
    line = text_of([accelerator_result()]).splitlines()[2]
    for said in ("minilm-sst2-ee", "**sentences** 40", "**batch** 1", "S = own token count",
                 "in float32"):  # fmt: skip
        assert said in line
    padded = accelerator_result(settings={"pad_to": 128, "arithmetic": "chip"})
    line = text_of([padded]).splitlines()[2]
    assert "S padded to 128" in line
    assert "in chip" in line


def test_the_schedules_are_a_range_from_fastest_to_slowest() -> None:
    result = accelerator_result(
        schedule_range_s={"fsm": 65e-3, "pipelined": 45e-3, "fsm_ii": 53e-3}
    )
    text = schedule_section([result, gpu_result()], ["a", "b"])
    assert "- a: 45.0 ms pipelined, 53.0 ms fsm_ii, 65.0 ms fsm" in text
    assert "- b: n/a" in text


def test_a_source_without_a_value_is_not_modelled_rather_than_zero() -> None:
    rows = section(text_of([accelerator_result()]), "Sources").splitlines()
    host = next(row for row in rows if "host.energy" in row)
    assert cells(host)[1].strip() == "not modelled"
    bus = next(row for row in rows if "lpddr4.read_energy" in row)
    assert [cell.strip() for cell in cells(bus)][1:5] == ["4", "2.5 to 6", "pJ/bit", "published"]


def test_each_layer_has_its_bottleneck_in_words() -> None:
    body = section(text_of([accelerator_result()]), "What limits each layer")
    for layer in range(1, 7):
        assert f"| layer {layer} | reads from lpddr4 (DMA exposed 38%) |" in body


def test_ratios_own_sections_hashes_and_commands_are_in_the_report() -> None:
    results = demo_results()
    text = text_of(results)
    assert all(f"- {line.text}" in text for line in compare(results).ratios)
    assert section(text, "Extra") == "Extra text."
    assert "a1" * 32 in section(text, "Inputs")
    assert "edgesim run x --chip y" in section(text, "How to reproduce")


def test_shares_of_the_unit_breakdown_are_of_the_total() -> None:
    body = section(text_of([accelerator_result()]), "Breakdown")
    assert "| pu | chip | 570 [456, 741] µJ | 30.0 % |" in body
    assert "| lpddr4 | off-chip memory | 494 [395, 642] µJ | 26.0 % |" in body


def test_lines_keep_their_order_and_appear_once() -> None:
    results = demo_results()
    lines = by_line(results, ["a", "b", "c"], lambda _: ("x", "y", "x"))
    assert lines == ["x", "y"]


@pytest.mark.parametrize("rows", [[], [["a", "bb"]]])
def test_a_text_table_has_a_rule_as_wide_as_its_columns(rows: list[list[str]]) -> None:
    assert text_table(["one", "x"], rows).splitlines()[1] == ("---  --" if rows else "---  -")
