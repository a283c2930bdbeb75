"""Media as the tables declare them: complete by class, and known to chips by their block alone."""

from __future__ import annotations

import pytest

from edgesim.errors import TechnologyError
from edgesim.tech import (
    Medium,
    known_media,
    load_technology,
    media_of_class,
    medium_of,
    parse_tables,
    storage_names,
    writable_media,
)
from edgesim.tech.medium import FIGURES

ENTRY = "{value: 2, low: 1, high: 3, unit: %s, source: a book, conditions: 25 C, kind: published}"
UNITS = {
    "ns": "ns", "mw_per_kib": "mW/KiB", "mm2_per_mib": "mm2/MiB", "pj_per_bit": "pJ/bit",
    "mw_per_mib": "mW/MiB", "writes": "writes", "us": "us",
}  # fmt: skip


def block(name: str, declared: str, figures: tuple[str, ...]) -> str:
    """A medium with entries of one value."""
    lines = [f"{name}: {declared}"]
    for figure in figures:
        unit = next(unit for end, unit in UNITS.items() if figure.endswith(f"_{end}"))
        lines.append(f"{name}.{figure}: {ENTRY % unit}")
    return "\n".join(lines) + "\n"


ARAM = block("aram", "{class: non-volatile, label: A, writable: false}", FIGURES["non-volatile"])
ESRAM = block(
    "esram", "{class: sram, label: E, writable: true}",
    (*FIGURES["sram"], *(f"macro_1024_bytes.{a}_energy_pj_per_bit" for a in ("read", "write"))),
)  # fmt: skip


def test_a_block_of_the_tables_makes_a_medium() -> None:
    media = parse_tables("t", {"a.yaml": ARAM, "b.yaml": ESRAM}).media
    assert media == {
        "aram": Medium("aram", "non-volatile", "A", "aram", "A", False),
        "esram": Medium("esram", "sram", "E", "esram", "E", True),
    }
    assert (media["aram"].is_non_volatile, media["aram"].is_sram) == (True, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ARAM.replace("aram.wake_up_us", "b.wake_up_us"), "a.yaml:1: aram: .*lacks wake_up_us"),
        (ESRAM.replace("esram.macro_1024", "b.macro_1024"), "lacks macro_<bytes>_bytes.read_en"),
        (ARAM.replace("non-volatile", "flash"), "aram.class: got 'flash'; allowed: sram, dram"),
        (ARAM.replace("label: A", "colour: red"), "unknown key 'colour'; allowed: class"),
        (ARAM.replace("writable: false", "writable: no way"), "writable .true or false. are"),
        (ARAM.replace("label: A", "label: A, levels: 3"), "levels: got 3; a power of two from 2"),
        (ARAM.replace("label: A", "label: 7"), "aram.label: got 7; text is wanted"),
        (ARAM + f"aram.level_0_mean_fraction: {ENTRY % 'fraction'}", r"the tables hold levels \[0"),
        (ARAM + ARAM.splitlines()[0], "a.yaml:10: aram is given twice"),
        (
            ARAM.replace("label: A", "label: A, storage: m")
            + block("b", "{class: non-volatile, label: B, storage: m, writable: true}",
                    FIGURES["non-volatile"]),
            "b: class and storage_label differ from those of aram in one storage",
        ),
    ],
)  # fmt: skip
def test_a_block_that_is_wrong_or_lacks_a_figure_of_its_class_is_named(
    text: str, words: str
) -> None:
    with pytest.raises(TechnologyError, match=words):
        parse_tables("t", {"a.yaml": text})


def test_the_shipped_media_are_grouped_by_class_writability_and_macro() -> None:
    assert media_of_class("dram")[:2] == ("lpddr4", "lpddr5")
    assert "sram" in media_of_class("sram")
    assert {"reram_slc", "stt_mram", "pcm", "fefet"} <= {*media_of_class("non-volatile")}
    assert {"sram", "lpddr4", "lpddr5"} <= {*writable_media()}
    assert not {*media_of_class("non-volatile")} & {*writable_media()}
    assert storage_names().count("reram") == 1
    assert [medium_of(f"reram_{cell}").levels for cell in ("slc", "mlc2", "mlc3")] == [2, 4, 8]


def test_a_medium_that_no_table_declares_is_refused_with_those_that_are() -> None:
    with pytest.raises(TechnologyError, match="medium 'lpddr9': no table declares it; known: "):
        medium_of("lpddr9")
    assert "lpddr9" not in known_media()


def test_what_is_declared_of_a_medium_is_part_of_the_content_of_the_tables() -> None:
    other = parse_tables("t", {"a.yaml": ARAM.replace("label: A", "label: B")})
    assert other.content_hash() != parse_tables("t", {"a.yaml": ARAM}).content_hash()
    technology = load_technology()
    entry = technology.entry("lpddr4.page_bytes")
    assert technology.replaced(entry).media == technology.media
