"""The tables: schema, origins, ranges, look-ups."""

from __future__ import annotations

import dataclasses
import re

import pytest

from edgesim.errors import TechnologyError
from edgesim.tech import KINDS, Technology, load_technology, parse_tables
from edgesim.tech.provenance import lines_of_kind, source_uses

SOUND = """
a.delay_ns:
  {value: 2, low: 1, high: 3, unit: ns, source: a book, conditions: 25 C, kind: published}
"""


@pytest.fixture
def technology() -> Technology:
    return load_technology()


def test_every_entry_has_an_origin_and_its_value_lies_in_its_range(technology: Technology) -> None:
    for entry in technology:
        assert entry.kind in KINDS
        assert entry.source
        assert entry.conditions
        interval = entry.interval
        if interval is not None:
            assert interval.low <= interval.value <= interval.high


def test_recalled_figures_are_never_called_published(technology: Technology) -> None:
    recalled = [e for e in technology if re.search("recalled", e.source + e.conditions, re.I)]
    assert {e.id for e in recalled} >= {"reram_slc.read_latency_ns", "adpll.power_mw_per_ghz"}
    assert all(e.kind in ("assumed", "scaled") for e in recalled)
    from_memory = [e for e in technology if "recalled, not seen" in e.source]
    assert from_memory
    assert all(e.kind == "assumed" for e in from_memory)


def test_assumed_parameters_of_the_gpu_span_at_most_a_factor_three(technology: Technology) -> None:
    assumed = [e for e in technology if e.id.startswith("tx2_maxn.") and e.kind == "assumed"]
    assert len(assumed) == 8
    for entry in assumed:
        assert entry.high is not None
        assert entry.low is not None
        assert entry.high <= 3 * entry.low * (1 + 1e-12), entry.id


def test_only_the_silicon_s_own_entries_are_fitted(technology: Technology) -> None:
    fitted = [entry.id for entry in technology if entry.kind == "fitted"]
    assert [entry_id for entry_id in fitted if not entry_id.startswith("isscc23.")] == []


@pytest.mark.parametrize(("size", "published_fj"), [(4, 205.27), (8, 98.38), (16, 46.88)])
def test_mac_energies_are_the_published_ones_scaled_by_0_80(
    technology: Technology, size: int, published_fj: float
) -> None:
    """Literature: AdaptivFloat, DAC 2020, HFINT8/30 at 16 nm; 16 to 14 nm is 0.80."""
    energy_pj = technology.value(f"pu.n{size}.mac_energy_pj")
    assert energy_pj == pytest.approx(published_fj * 0.80e-3, rel=2e-3)


@pytest.mark.parametrize(("size", "tops_per_mm2"), [(4, 1.02), (8, 1.39), (16, 1.86)])
def test_array_areas_follow_from_the_published_throughput_per_area(
    technology: Technology, size: int, tops_per_mm2: float
) -> None:
    """Literature: AdaptivFloat, DAC 2020; one op per MAC slot at 1 GHz; 16 to 14 nm is 0.91."""
    area_mm2 = technology.value(f"pu.n{size}.area_mm2")
    assert area_mm2 == pytest.approx(size**2 * 1e-3 / tops_per_mm2 * 0.91, rel=3e-3)


def test_unpublished_sizes_are_intervals_between_their_stated_bounds(
    technology: Technology,
) -> None:
    two, thirty_two = (technology.interval(f"pu.n{n}.mac_energy_pj") for n in (2, 32))
    four_pj, sixteen_pj = (technology.value(f"pu.n{n}.mac_energy_pj") for n in (4, 16))
    assert two.low == pytest.approx(four_pj, rel=2e-3)
    assert two.high == pytest.approx(2 * four_pj, rel=2e-3)
    assert thirty_two.low == pytest.approx(0.0213)
    assert thirty_two.high == pytest.approx(sixteen_pj)


def test_full_depth_albert_macs_at_n16_take_042_millijoules(technology: Technology) -> None:
    """Literature: 12 layers of 931.1 MMAC at S = 128, times 46.88 fJ at 16 nm times 0.80."""
    macs = 12 * 931.1e6
    energy_mj = macs * technology.value("pu.n16.mac_energy_pj") * 1e-9
    assert energy_mj == pytest.approx(0.42, rel=0.01)


def test_four_published_elements_explain_most_of_their_published_system_power(
    technology: Technology,
) -> None:
    """Literature: DAC 2020 gives 56.22 mW for 4 elements of K = 16 and 1 MB of buffer, 16 nm."""
    elements_mw = 4 * 16**2 * technology.value("pu.n16.mac_energy_pj") / 0.80
    assert 0.8 * 56.22 < elements_mw < 56.22


@pytest.mark.parametrize(
    ("entry", "multiplies", "adds"),
    [("softmax", 3, 7), ("layernorm", 4, 7), ("add", 0, 5), ("entropy", 2, 5), ("pool", 0, 2),
     ("relayout", 0, 1), ("embedding", 0, 1)],
)  # fmt: skip
def test_sfu_energies_follow_from_their_stated_operation_counts(
    technology: Technology, entry: str, multiplies: int, adds: int
) -> None:
    """Horowitz 2014 at 45 nm times 0.114 to 14 nm, times 2 for registers and clock."""
    add_pj, multiply_pj = 0.1 * 0.114, 3.1 / 4 * 0.114
    assert technology.value(f"sfu.{entry}_energy_pj_per_element") == pytest.approx(
        2 * (multiplies * multiply_pj + adds * add_pj), rel=0.01
    )


def test_an_unknown_id_names_the_nearest(technology: Technology) -> None:
    with pytest.raises(TechnologyError, match=r"nearest: lpddr4\.read_energy_pj_per_bit"):
        technology.entry("lpddr4.read_energy_pj")


def test_an_entry_without_value_is_not_modelled(technology: Technology) -> None:
    assert technology.entry("sfu.area_mm2").value is None
    with pytest.raises(TechnologyError, match=r"pu\.n64\.mac_energy_pj is not modelled"):
        technology.value("pu.n64.mac_energy_pj")


def test_all_faults_of_all_tables_come_at_once_with_their_lines() -> None:
    tables = {
        "one.yaml": SOUND + "b.size_mm2: {value: 1}\n",
        "two.yaml": (
            "a.delay_ns: {value: 5, low: 6, high: 7, unit: ns, source: s, conditions: c, "
            "kind: guessed}\n"
            "c.energy: {value: true, low: 1, high: 2, unit: pJ, source: '', conditions: c, "
            "kind: scaled, colour: red}\n"
            "d.energy_pj: {value: .nan, low: 1, high: 2, unit: nJ, source: s, conditions: c, "
            "kind: scaled}\n"
        ),
    }
    with pytest.raises(TechnologyError) as caught:
        parse_tables("faulty", tables)
    message = str(caught.value)
    for part in (
        "one.yaml:4: b.size_mm2: unit is missing",
        "two.yaml:1: a.delay_ns.kind: got 'guessed'",
        "two.yaml:1: a.delay_ns: 6 ≤ 5 ≤ 7 does not hold",
        "two.yaml:1: a.delay_ns: given twice",
        "two.yaml:2: c.energy: unknown key 'colour'",
        "two.yaml:3: d.energy_pj: the id must end with its unit 'nJ'",
        "two.yaml:3: d.energy_pj.value: got nan",
    ):
        assert part in message


def test_broken_yaml_is_one_line() -> None:
    with pytest.raises(TechnologyError) as caught:
        parse_tables("broken", {"x.yaml": "a: [1\nb: 2"})
    assert str(caught.value).startswith("x.yaml: not valid YAML")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOUND + SOUND, "x.yaml:5: a.delay_ns is given twice; keep one"),
        ("- 1\n", "x.yaml:1: a mapping of entries is wanted"),
        ("", "x.yaml:1: a mapping of entries is wanted"),
        ("a: " + "[" * 20 + "]" * 20, "x.yaml:1: the file is nested deeper than 12 levels"),
        ("a: {value: 2026-99-99}", "x.yaml:1: a.value is '2026-99-99'; write a number"),
    ],
)
def test_tables_are_read_as_strictly_as_every_other_yaml_file(text: str, words: str) -> None:
    with pytest.raises(TechnologyError) as caught:
        parse_tables("broken", {"x.yaml": text, "y.yaml": "b.size_mm2: 3\n"})
    assert words in str(caught.value)
    assert "y.yaml:1: b.size_mm2: got 3; a mapping" in str(caught.value)


def test_the_content_hash_follows_the_entries(technology: Technology) -> None:
    entry = technology.entry("pu.n16.mac_energy_pj")
    changed = technology.replaced(dataclasses.replace(entry, value=0.04))
    assert changed.content_hash() != technology.content_hash()
    assert changed.replaced(entry).content_hash() == technology.content_hash()


def test_sources_and_lines_name_each_used_entry_once(technology: Technology) -> None:
    used = ["adpll.power_mw_per_ghz", "pu.n16.mac_energy_pj", "adpll.power_mw_per_ghz"]
    assert [use.entry for use in source_uses(technology, used)] == sorted(set(used))
    (line,) = lines_of_kind(technology, used, "assumed")
    assert line.startswith("adpll.power_mw_per_ghz = 2.46 [1.4, 4.2] mW/GHz: recalled")
