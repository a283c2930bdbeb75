"""Task heads over one store of embeddings: what stays, what a switch moves, and when it must."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.cli.command_line import main
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.ops import AttentionScores
from edgesim.ir.optrace import OpTrace
from edgesim.ir.predictor import ExitPredictor
from edgesim.pipeline.duty_cycle import duty_cycle
from edgesim.pipeline.tasks import Task, TaskSet, task_order, task_set
from edgesim.tech import load_technology

SHAPE = BertShape(width=64, heads=4, hidden=256, layers=2, vocabulary=64, max_tokens=32)
WEIGHTS = ("placement.encoder_weight", "placement.offramp_weight")


def chip_of(medium: str, kibibytes: int, writable: bool | None = None) -> AcceleratorSpec:
    """A chip whose weights rest on chip in a medium of that size."""
    family = medium.split("_", maxsplit=1)[0] if medium.startswith("reram") else medium
    storage = {"capacity": f"{kibibytes} KiB", "port": "64 bit", "on_chip": True}
    if writable is not None:
        storage["writable"] = writable
    overrides: dict[str, object] = {f"storage.{family}": storage}
    overrides |= {path: [medium] for path in WEIGHTS}
    overrides["placement.embedding_weight"] = ["lpddr4"]
    return toy_chip(overrides=overrides)


def tasks_on(chip: AcceleratorSpec, count: int, trace: OpTrace | None = None) -> TaskSet:
    trace = trace or bert_like(SHAPE)
    result = es.simulate(trace, chip, pad_to=16)
    return task_set([Task(trace, result)] * count, chip)


def own_kib() -> float:
    return sum(tasks_on(toy_chip(), 1).needs[0].values()) / 8192


def test_weights_that_fit_side_by_side_stay_and_a_switch_is_free_without_tables() -> None:
    found = tasks_on(chip_of("sram", 8192), 3)
    assert found.all_resident
    played = found.played(np.array([0, 1, 2, 1, 1, 0]))
    assert (played.count, played.reloads) == (4, 0)
    assert played.seconds.sum() == played.joules.sum() == 0


def test_weights_that_do_not_fit_are_read_and_written_at_every_switch() -> None:
    technology = load_technology()
    chip = chip_of("sram", 1 << int(np.ceil(np.log2(own_kib()))))
    found = tasks_on(chip, 2)
    assert not found.all_resident
    (bits,) = found.needs[1].values()
    switch = found.switches[1][1]
    words = -(-bits // 64) * 1e-9
    latency = technology.value("lpddr4.access_latency_ns") * 1e-9
    assert switch.time_s.value == pytest.approx(latency + words, rel=1e-9)
    read = technology.value("lpddr4.read_energy_pj_per_bit") * bits * 1e-12
    assert switch.energy_j.low <= switch.energy_j.value <= switch.energy_j.high
    assert switch.energy_j.value > read
    played = found.played(np.array([0, 0, 1, 1, 0]))
    assert (played.count, played.reloads) == (2, 2)
    assert list(played.seconds > 0) == [False, False, True, False, True]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_the_task_used_longest_ago_leaves_first(order: list[int]) -> None:
    room = 2
    trace = bert_like(SHAPE)
    need = {"sram": 100}
    nothing = replace(tasks_on(toy_chip(), 1, trace).switches[0][0], terms=())
    found = TaskSet(
        (Task(trace, None),) * 4, (need,) * 4, {"sram": 100 * room}, 0, "lpddr4", None, False,
        ((nothing, nothing),) * 4,
    )  # fmt: skip
    inside, reloads = [0, 1], 0
    for task in order:
        if task not in inside:
            inside.pop(0)
            reloads += 1
        else:
            inside.remove(task)
        inside.append(task)
    assert found.played(np.array(order)).reloads == reloads


def test_spans_and_forecasts_are_tables_of_a_task() -> None:
    trace = bert_like(SHAPE)
    ops = tuple(
        replace(op, spans=(4, None, 9, 2)) if isinstance(op, AttentionScores) else op
        for op in trace.layers[0].ops
    )
    spanned = replace(trace, layers=(replace(trace.layers[0], ops=ops), *trace.layers[1:]))
    table = ExitPredictor(np.array([0.0, 0.3]), np.zeros((2, 10)), "none")
    assert Task(trace, None).table_bits == 0
    assert Task(spanned, None, table).table_bits == 8 * (4 + 20)
    found = tasks_on(toy_chip(), 2, spanned)
    assert found.switches[0][0].time_s.value > 0


def test_a_medium_that_cannot_be_written_takes_no_reload_and_dram_has_none_behind_it() -> None:
    kibibytes = 1 << int(np.ceil(np.log2(own_kib())))
    with pytest.raises(InputError, match=r"reram_slc is read-only.*storage\.reram\.writable"):
        tasks_on(chip_of("reram_slc", kibibytes), 2)
    pulses = tasks_on(chip_of("reram_slc", kibibytes, writable=True), 2).switches[1][1]
    plain = tasks_on(chip_of("sram", kibibytes), 2).switches[1][1]
    assert pulses.time_s.value > 5 * plain.time_s.value
    small = toy_chip(overrides={"storage.lpddr4.capacity": "256 KiB"})
    with pytest.raises(InputError, match="nothing behind it that they could come from"):
        tasks_on(small, 9)


def test_tasks_with_other_embeddings_share_nothing() -> None:
    chip = toy_chip()
    made = [bert_like(replace(SHAPE, table_density=0.5, seed=seed)) for seed in (0, 1)]
    result = es.simulate(made[0], chip, pad_to=16)
    with pytest.raises(InputError, match="different embedding tables"):
        task_set([Task(trace, result) for trace in made], chip)


def test_order_is_in_turn_or_drawn_and_bursts_stay_together() -> None:
    assert task_order(7, 3, "turns", 2, 0).tolist() == [0, 0, 1, 1, 2, 2, 0]
    drawn = task_order(3000, 3, "random", 1, 5)
    assert drawn.tolist() == task_order(3000, 3, "random", 1, 5).tolist()
    assert np.bincount(drawn) / 3000 == pytest.approx([1 / 3] * 3, abs=0.05)
    for wrong in ({"order": "turns", "burst": 0}, {"order": "best", "burst": 1}):
        with pytest.raises(InputError):
            task_order(3, 2, wrong["order"], wrong["burst"], 0)


def test_switches_cost_time_and_energy_of_an_hour_and_can_overload_the_chip() -> None:
    chip = chip_of("sram", 1 << int(np.ceil(np.log2(own_kib()))))
    found = tasks_on(chip, 2)
    result = found.tasks[0].result
    rate = 0.2 / result.sentences[0].latency_s
    plain = duty_cycle(result, chip, rate, num_sentences=500)
    turns = duty_cycle(result, chip, rate, num_sentences=500, tasks=found, order="turns")
    bursts = duty_cycle(result, chip, rate, num_sentences=500, tasks=found, order="turns", burst=50)
    assert plain.switch_j_per_hour == 0
    assert turns.active_j_per_hour == pytest.approx(plain.active_j_per_hour, rel=0.05)
    assert turns.reloads_per_hour == pytest.approx(50 * bursts.reloads_per_hour, rel=0.15)
    assert turns.switch_j_per_hour > 20 * bursts.switch_j_per_hour > 0
    assert turns.latency_p99_s > bursts.latency_p50_s
    parts = ("active", "sleep", "wake", "switch")
    total = sum(getattr(turns, f"{part}_j_per_hour") for part in parts)
    assert turns.energy_j_per_hour == pytest.approx(total)
    with pytest.raises(InputError, match="without end"):
        duty_cycle(
            result, chip, 0.999 / result.sentences[0].latency_s, num_sentences=500, tasks=found,
            order="turns",
        )  # fmt: skip


def test_shipped_models_of_two_tasks_take_one_file_and_a_switch_writes_no_embedding() -> None:
    """EdgeBERT's claim for its ReRAM: written once, read by every task."""
    folders = [es.find_model(name) for name in ("minilm-sst2-edgebert", "minilm-cola-edgebert")]
    first, second = (load_zoo_config(folder.path).embeddings for folder in folders)
    assert first == second
    chip = es.load_chip("edgebert-n16")
    tasks = []
    for folder in folders:
        trace = folder.trace()
        result = es.simulate(trace, chip, pad_to=16)
        tasks.append(Task(trace, result, folder.workload().predictor))
    found = task_set(tasks, chip)
    alone = task_set(tasks[:1], chip)
    assert found.shared_bits == alone.shared_bits > 0
    assert found.spared.energy_j.low > 0
    assert isinstance(chip, AcceleratorSpec)
    media = chip.placement.embedding_weight
    for pair in found.switches:
        for switch in pair:
            written = [t.name for t in switch.terms if t.name.endswith(": written")]
            assert written
            assert not [name for name in written if any(m in name for m in media)]
            assert not [t.name for t in switch.terms if "embedding" in t.name]


def test_the_command_takes_tasks_and_refuses_what_does_not_fit_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    two = ["duty", "minilm-sst2-ee", "--task", "minilm-sst2-edgebert", "--exit-threshold", "0.2"]
    assert main([*two, "--rate", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"]["all_resident"] is True
    assert found["cycles"][0]["switches_per_hour"] > 0
    assert main([*two, "--rate", "50", "--burst", "5"]) == 0
    assert "task switches, 0 with weights reloaded" in capsys.readouterr().out
    for wrong in (
        [*two, "--rate", "1e6"], [*two, "--rate", "5", "--burst", "0"],
        [*two, "--rate", "5", "--workload", "none.npz"],
        ["duty", "minilm-sst2-ee", "--rate", "5", "--burst", "3"],
        ["duty", "minilm-sst2-ee", "--rate", "5", "--task", "no-such-model"],
    ):  # fmt: skip
        assert main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1
