"""Power-on: terms add up, ratios follow from the tables, and what cannot be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from toy_traces import toy_chip

from edgesim.cli.command_line import main
from edgesim.energy.power_on import PowerOnCase, dram_path, non_volatile_path
from edgesim.errors import InputError
from edgesim.ir.encoder_trace import ALBERT_BASE, encoder_trace
from edgesim.pipeline.power_on import PowerOn, power_on
from edgesim.tech import load_technology

TABLES = load_technology()
MIB_BITS = 2**23


@pytest.fixture(scope="module")
def albert() -> PowerOn:
    """Embeddings that fit 2 MiB, masks and pointers included."""
    trace = encoder_trace(replace(ALBERT_BASE, density=0.35))
    return power_on(trace, toy_chip(), pad_to=128)


def terms(path: object) -> Mapping[str, float]:
    return {term.name: term.energy_j.value for term in path.terms}  # type: ignore[attr-defined]


def test_a_cold_dram_pays_initialisation_bits_pages_background_and_sram() -> None:
    case = PowerOnCase(MIB_BITS, ())
    path = dram_path(toy_chip(), TABLES, "lpddr4", "cold", case, 2**21, 0.05)
    found = terms(path)
    assert found["initialisation"] == pytest.approx(2.2e-3 * 40.8e-3)
    assert found["bits read"] == pytest.approx(MIB_BITS * 7.9e-12)
    assert found["pages opened"] == pytest.approx(512 * 1739e-12)
    load_s = MIB_BITS / 64 * 1e-9 + 100e-9
    assert found["background while reading"] == pytest.approx(load_s * (40.8 + 12.7) * 1e-3)
    assert path.time_s.value == pytest.approx(2.2e-3 + load_s)
    leak_mw = TABLES.value("sram.leakage_power_mw_per_kib") * 2048
    assert found["SRAM leakage over one sentence"] == pytest.approx(0.05 * leak_mw * 1e-3)


def test_a_non_volatile_medium_only_wakes_for_the_table_and_reads_the_rows_of_a_sentence() -> None:
    whole = non_volatile_path(
        toy_chip(), TABLES, "reram_mlc2", 2**21, PowerOnCase(MIB_BITS, ()), 64
    )
    assert [term.name for term in whole.terms] == ["wake-up"]
    rows = non_volatile_path(
        toy_chip(), TABLES, "reram_mlc2", 2**21, PowerOnCase(MIB_BITS, (640, 640)), 64
    )
    read = rows.terms[1]
    assert read.time_s.value == pytest.approx(2 * 1.54e-9 + 20e-9)
    power_w = 2 * TABLES.value("reram_mlc2.standby_power_mw_per_mib") * 1e-3
    assert read.energy_j.value == pytest.approx(1280 * 0.0305e-12 + read.time_s.value * power_w)


def test_a_wider_port_is_faster_until_latency_is_left(albert: PowerOn) -> None:
    tool = [port for port in albert.ports if port.read_energy_pj_per_bit == 0.0305]
    times = [port.time_s for port in tool]
    assert times == sorted(times, reverse=True)
    assert times[-1] > albert.num_rows * 1.5e-9


def test_albert_fits_two_mib_and_terms_add_up_to_the_ratio(albert: PowerOn) -> None:
    assert albert.sram_bytes == 2 * 2**20
    assert {(row.case, row.start) for row in albert.rows} == {
        (case, start) for case in "AB" for start in ("cold", "self-refresh")
    }
    for row in albert.rows:
        cumulative = row.cumulative()
        assert cumulative[-1][1] == pytest.approx(row.energy_ratio.value)
        assert cumulative[-1][2] == pytest.approx(row.time_ratio.value)
        steps = [energy for _, energy, _ in cumulative]
        assert steps == sorted(steps)


def test_a_cold_start_of_dram_loses_more_than_an_exit_from_self_refresh(albert: PowerOn) -> None:
    ratio = {(row.case, row.start): row for row in albert.rows}
    for case in "AB":
        cold, warm = ratio[case, "cold"], ratio[case, "self-refresh"]
        assert cold.time_ratio.value > warm.time_ratio.value
        assert cold.energy_ratio.value > warm.energy_ratio.value


@pytest.mark.parametrize("medium", ["reram_slc", "reram_mlc3", "stt_mram", "pcm", "fefet"])
@pytest.mark.parametrize("against", ["lpddr4", "lpddr5"])
def test_every_medium_has_what_power_on_and_a_run_need(medium: str, against: str) -> None:
    case = PowerOnCase(MIB_BITS, (640,))
    path = non_volatile_path(toy_chip(), TABLES, medium, 2**21, case, 64)
    other = dram_path(toy_chip(), TABLES, against, "cold", case, 2**21, 0.0)
    assert 0 < path.energy_j.low <= path.energy_j.value <= path.energy_j.high
    assert other.energy_j.value > path.energy_j.value
    for quantity in ("endurance_writes", "write_latency_ns", "write_energy_pj_per_bit",
                     "area_mm2_per_mib"):  # fmt: skip
        assert TABLES.interval(f"{medium}.{quantity}").value > 0


def test_wrong_media_are_named(albert: PowerOn) -> None:
    trace = encoder_trace(replace(ALBERT_BASE, layers=1, density=0.4))
    with pytest.raises(InputError, match="allowed here: reram_slc"):
        power_on(trace, toy_chip(), pad_to=16, medium="lpddr4")
    with pytest.raises(InputError, match="allowed here: lpddr4, lpddr5"):
        power_on(trace, toy_chip(), pad_to=16, against="sram")


def test_the_command_prints_both_cases_and_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["power-on", "minilm-sst2-ee"]) == 0
    text = capsys.readouterr().out
    assert "case A" in text
    assert "short of the paper's 66,000 (recalled)" in text
    assert main(["power-on", "minilm-sst2-ee", "--medium", "flash"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["power-on", "minilm-sst2-ee", "--chip", "tx2-maxn"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("medium", ["stt_mram", "pcm", "fefet", "lpddr5"])
def test_further_media_hold_embeddings_in_a_run_and_take_no_activations(medium: str) -> None:
    import edgesim as es

    storage = {"capacity": "4 MiB", "port": "64 bit", "on_chip": medium != "lpddr5"}
    overrides = {f"storage.{medium}": storage, "placement.embedding_weight": [medium, "lpddr4"]}
    trace = encoder_trace(replace(ALBERT_BASE, layers=1, density=0.4))
    result = es.simulate(trace, toy_chip(overrides=overrides), pad_to=16)
    unit = next(r for r in result.breakdown if r.group == "unit" and r.name == medium)
    assert unit.account == ("offchip" if medium == "lpddr5" else "chip")
    assert unit.energy_j.value > 0
    if medium != "lpddr5":
        with pytest.raises(es.EdgesimError, match="which is read-only on this chip"):
            toy_chip(overrides={**overrides, "placement.activation": ["sram", medium]})
