"""Media that take a pulse to write: only where a chip says so, timed, priced and worn out."""

from __future__ import annotations

import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.errors import ChipError
from edgesim.mapping.planner import Mapper
from edgesim.sim.analytic import segment_ticks
from edgesim.sim.memory import medium_timing
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

MEDIA = ("reram_slc", "reram_mlc2", "reram_mlc3", "stt_mram", "pcm", "fefet")
SMALL_BUFFERS = {"buffers.operand0.data": "24 KiB", "buffers.operand1.data": "24 KiB"}


def written(medium: str, writable: bool = True) -> dict[str, object]:
    """Overrides of a chip that spills activations to a medium."""
    family = "reram" if medium.startswith("reram") else medium
    storage = {"capacity": "4 MiB", "port": "64 bit", "on_chip": True, "writable": writable}
    return {
        **SMALL_BUFFERS, f"storage.{family}": storage, "placement.activation": ["sram", medium],
        "placement.embedding_weight": ["lpddr4"],
    }  # fmt: skip


@pytest.mark.parametrize("medium", MEDIA)
def test_a_medium_takes_activations_only_where_the_chip_says_that_it_is_written(
    medium: str,
) -> None:
    assert toy_chip(overrides=written(medium)).can_write(medium)
    with pytest.raises(
        ChipError, match=rf"placement.activation: got '{medium}', which is read-only"
    ):
        toy_chip(overrides=written(medium, writable=False))


def test_dram_that_is_not_written_takes_none_either() -> None:
    with pytest.raises(ChipError, match=r"placement\.activation: got 'lpddr4', which is read-only"):
        toy_chip(overrides={"storage.lpddr4.writable": False})


def test_the_released_bus_takes_none() -> None:
    overrides = {
        "storage.reram": {"capacity": "4 MiB", "port": "64 bit", "on_chip": True, "writable": True},
        "placement.activation": ["sram", "reram_slc"],
    }
    with pytest.raises(ChipError, match="the released bus is timed against SRAM and DRAM alone"):
        es.load_chip("edgebert-hls", overrides)


@pytest.mark.parametrize("medium", ["reram_slc", "pcm"])
def test_a_word_takes_its_pulse_and_not_a_tick_less(medium: str) -> None:
    technology = load_technology()
    timing = medium_timing(toy_chip(overrides=written(medium)), technology, medium)
    pulse = round(1000 * technology.value(f"{medium}.write_latency_ns"))
    word = -(-max(pulse, timing.period_ticks) // timing.period_ticks) * timing.period_ticks
    assert timing.transfer_ticks(64, writes=True) == word
    assert timing.transfer_ticks(64 * 1000, writes=True) >= 1000 * pulse
    assert timing.transfer_ticks(64 * 1000 + 1, writes=True) > timing.transfer_ticks(
        64 * 1000, writes=True
    )


def test_spills_to_it_are_slower_than_to_dram_and_the_twin_stays_below() -> None:
    technology = load_technology()
    trace = bert_like(BertShape(width=256, heads=4, hidden=1024, layers=1))
    ticks = {}
    for medium, overrides in (("lpddr4", SMALL_BUFFERS), ("pcm", written("pcm"))):
        chip = toy_chip(overrides=dict(overrides))
        plan = Mapper(trace, chip).layer(1, 96)
        assert plan.spilled_tensors
        ticks[medium] = simulate_segment(plan, chip, technology).duration_ticks
        assert segment_ticks(plan, chip, technology) <= ticks[medium]
    stored = sum(s.bits for op in plan.ops for s in (*op.stores, *op.entry_stores))
    pulses = stored / 64 * technology.value("pcm.write_latency_ns") * 1000
    assert ticks["pcm"] > max(ticks["lpddr4"], pulses)


def test_a_run_prices_the_writes_and_says_how_long_the_cells_last() -> None:
    trace = bert_like(BertShape(width=256, heads=4, hidden=1024, layers=1))
    chip = toy_chip(overrides=written("reram_slc"))
    result = es.simulate(trace, chip, pad_to=96)
    unit = next(r for r in result.breakdown if r.group == "unit" and r.name == "reram_slc")
    assert unit.energy_j.value > 0
    (note,) = (text for text in result.notes if "its cells last" in text)
    per_sentence = float(note.split("write ")[1].split(" bytes")[0].replace(",", ""))
    lasts = float(note.split("last ")[1].split(" ")[0])
    endurance = load_technology().value("reram_slc.endurance_writes")
    assert lasts == pytest.approx(endurance * 4 * 2**20 / per_sentence, rel=1e-2)
