"""Arrivals over time: queueing theory, energy that adds up, and queues that would never end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.errors import InputError
from edgesim.ir.result import SimResult
from edgesim.pipeline.duty_cycle import duty_cycle

CHIP = toy_chip()


@pytest.fixture(scope="module")
def result() -> SimResult:
    shape = BertShape(width=32, heads=2, hidden=64, layers=1, vocabulary=64, max_tokens=32)
    found = es.simulate(bert_like(shape), CHIP, pad_to=16)
    return replace(found, sentences=(replace(found.sentences[0], latency_s=1e-3),))


def test_fixed_arrivals_below_capacity_never_wait(result: SimResult) -> None:
    found = duty_cycle(result, CHIP, 500.0, arrivals="fixed", num_sentences=2000)
    assert found.utilisation == pytest.approx(0.5, rel=1e-3)
    assert found.latency_p50_s == pytest.approx(1e-3, rel=1e-3)
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
