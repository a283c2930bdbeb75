"""Arrivals over time: queueing theory, energy that adds up, and queues that would never end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.cli.command_line import main
from edgesim.energy.supply import leakage_scale, regulator_loss
from edgesim.errors import InputError, UnstableQueueError
from edgesim.ir.result import SimResult
from edgesim.pipeline.duty_cycle import duties, duty_cycle
from edgesim.pipeline.standby import Standby
from edgesim.sim.operating_points import change_ticks, operating_points
from edgesim.tech import load_technology

CHIP = toy_chip()


@pytest.fixture(scope="module")
def result() -> SimResult:
    shape = BertShape(width=32, heads=2, hidden=64, layers=1, vocabulary=64, max_tokens=32)
    found = es.simulate(bert_like(shape), CHIP, pad_to=16)
    return replace(found, sentences=(replace(found.sentences[0], latency_s=1e-3),))


def test_fixed_arrivals_below_capacity_never_wait(result: SimResult) -> None:
    found = duty_cycle(result, CHIP, 500.0, arrivals="fixed", num_sentences=2000)
    assert found.utilisation == pytest.approx(0.5, rel=1e-3)
    wake_s = Standby.of(CHIP, load_technology()).wake_s
    assert found.latency_p50_s == pytest.approx(1e-3 + wake_s, rel=1e-6)
    assert found.latency_p99_s == pytest.approx(found.latency_p50_s)
    assert found.longest_queue <= 1


def test_poisson_arrivals_wait_as_pollaczek_and_khinchine_say(result: SimResult) -> None:
    """M/D/1: mean wait ρ s / 2 (1 - ρ); its median and 99th percentile lie around it."""
    found = duty_cycle(result, CHIP, 800.0, num_sentences=200_000, seed=1)
    mean = 1e-3 * (1 + 0.8 / (2 * 0.2))
    assert found.latency_p50_s < mean < found.latency_p99_s
    assert found.latency_p99_s == pytest.approx(1e-3 + 9.5e-3, rel=0.3)


def test_energy_of_an_hour_is_active_asleep_and_waking(result: SimResult) -> None:
    rare = duty_cycle(result, CHIP, 1.0, arrivals="fixed", num_sentences=500)
    often = duty_cycle(result, CHIP, 100.0, arrivals="fixed", num_sentences=500)
    each = result.sentences[0].energy_j
    assert rare.active_j_per_hour == pytest.approx(3600 * each, rel=1e-2)
    assert often.active_j_per_hour == pytest.approx(100 * rare.active_j_per_hour, rel=2e-2)
    assert rare.sleep_j_per_hour > often.sleep_j_per_hour
    assert rare.wakes_per_hour == pytest.approx(3600, rel=1e-2)


def test_same_seed_same_hour_and_misses_are_counted_from_arrival(result: SimResult) -> None:
    one = duty_cycle(result, CHIP, 900.0, num_sentences=3000, seed=7, target_s=2e-3)
    two = duty_cycle(result, CHIP, 900.0, num_sentences=3000, seed=7, target_s=2e-3)
    assert one == two
    assert one.missed_fraction is not None
    assert 0 < one.missed_fraction < 1


@pytest.mark.parametrize("rate", [1000.0, 5000.0, 0.0, float("nan")])
def test_a_rate_that_cannot_be_served_is_refused(result: SimResult, rate: float) -> None:
    with pytest.raises(InputError, match=r"without end|above 0"):
        duty_cycle(result, CHIP, rate)


def test_rates_that_can_be_served_are_answered_beside_those_that_cannot(
    result: SimResult, capsys: pytest.CaptureFixture[str]
) -> None:
    served, unstable = duties([100.0, 2000.0], result=result, chip=CHIP, num_sentences=200)
    assert [cycle.rate_per_s for cycle in served] == [100.0]
    assert (unstable[0].rate_per_s, unstable[0].capacity_per_s) == (2000.0, pytest.approx(1000))
    with pytest.raises(UnstableQueueError):
        duties([2000.0, 3000.0], result=result, chip=CHIP, num_sentences=200)
    command = ["duty", "minilm-sst2-ee", "--count", "200", "--rate", "10", "1e6"]
    assert main(command) == 0
    assert "unstable: 1e+06 sentences a second arrive" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["energy_j_per_hour"] > 0
    assert rows[1]["unstable"] is True


def test_each_sentence_is_late_by_its_own_target(result: SimResult) -> None:
    (row,) = result.sentences
    two = (replace(row, latency_target_s=2e-3), replace(row, latency_target_s=0.5e-3))
    slow = replace(result, sentences=two)
    found = duty_cycle(slow, CHIP, 10.0, arrivals="fixed", num_sentences=100)
    assert found.missed_fraction == 0.5
    assert duty_cycle(result, CHIP, 10.0, num_sentences=100).missed_fraction is None
    stated = duty_cycle(slow, CHIP, 10.0, arrivals="fixed", num_sentences=100, target_s=1.0)
    assert stated.missed_fraction == 0


def test_a_waiting_sentence_starts_once_the_chip_is_back_at_full_speed(result: SimResult) -> None:
    points, _ = operating_points(CHIP, load_technology())
    back_s = change_ticks(points[0], points[-1], load_technology()) * 1e-12
    row = replace(result.sentences[0], latency_s=1e-6, operating_point=points[0].words())
    slow = replace(result, sentences=(row,))
    fast = replace(result, sentences=(replace(row, operating_point=None),))
    rate = 0.999 / (1e-6 + back_s)
    busy = duty_cycle(slow, CHIP, rate, num_sentences=4000)
    free = duty_cycle(fast, CHIP, rate, num_sentences=4000)
    assert busy.latency_p99_s > free.latency_p99_s + back_s
    with pytest.raises(UnstableQueueError, match="without end"):
        duty_cycle(slow, CHIP, 1.001 / (1e-6 + back_s))


def test_standby_follows_what_is_placed_and_stands_behind_the_regulator() -> None:
    tables = load_technology()
    points, _ = operating_points(CHIP, tables)
    own = Standby.of(CHIP, tables)
    assert own.wake_s == pytest.approx(1e-6 * tables.value("reram_mlc2.wake_up_us"))
    assert own.return_s[points[-1].words()] == 0
    low = CHIP.at(points[0].frequency_hz, points[0].voltage_v)
    kib = 2 * (128 + 16) + 32
    leak_mw = tables.value("logic.leakage_power_mw_per_mac") * 256
    leak_mw += tables.value("sram.leakage_power_mw_per_kib") * kib
    leak_mw *= leakage_scale(low, tables)[0].value * (1 + regulator_loss(low, tables)[0].value)
    refresh_mw = tables.value("lpddr4.self_refresh_power_mw")
    assert own.asleep_w == pytest.approx(1e-3 * (leak_mw + refresh_mw))
    two = Standby.of(toy_chip(overrides={"storage.lpddr4.capacity": "2 GiB"}), tables)
    assert two.asleep_w - own.asleep_w == pytest.approx(1e-3 * refresh_mw)
    on_chip = {f"placement.{name}_weight": ["reram_mlc2"] for name in (
        "embedding", "encoder", "offramp")}  # fmt: skip
    alone = Standby.of(toy_chip(overrides={**on_chip, "placement.activation": ["sram"]}), tables)
    assert alone.asleep_w == pytest.approx(1e-3 * leak_mw)
    dram = Standby.of(toy_chip(overrides={"placement.embedding_weight": ["lpddr4"]}), tables)
    assert dram.wake_s == pytest.approx(1e-9 * tables.value("lpddr4.self_refresh_exit_ns"))


def test_a_test_chip_asleep_is_not_modelled_and_says_so() -> None:
    found = Standby.of(toy_chip("edgebert-isscc23"), load_technology())
    assert "not modelled: power of the test chip asleep" in found.notes[0]
    assert Standby.of(CHIP, load_technology()).notes == ()
