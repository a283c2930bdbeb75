"""The GPU baseline: roofline by hand, launches, exits, ranges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.errors import InputError
from edgesim.hw.loader import load_chip
from edgesim.hw.spec import GpuSpec
from edgesim.ir.ops import Embedding, Entropy, ExitCheck, MatMul, Pool
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.size import SEQUENCE, Size
from edgesim.sim.gpu import GpuParameters, GpuRun, op_work, simulate_gpu
from edgesim.tech import load_technology

WIDTH = 768
NUM_LAYERS = 3


def tx2() -> GpuSpec:
    chip = load_chip("tx2-maxn")
    assert isinstance(chip, GpuSpec)
    return chip


def activation(name: str, *shape: Size) -> Tensor:
    return Tensor(name, "activation", shape)


def toy_trace(exits: bool = True) -> OpTrace:
    """An embedding and three layers of one square product, each with an off-ramp."""
    tensors = {
        "table": Tensor("table", "embedding_weight", (Size(30000), Size(WIDTH))),
        "w": Tensor("w", "encoder_weight", (Size(WIDTH), Size(WIDTH))),
        "c": Tensor("c", "offramp_weight", (Size(2), Size(WIDTH))),
    }
    layers = []
    previous = "e"
    tensors["e"] = activation("e", SEQUENCE, Size(WIDTH))
    for i in range(1, NUM_LAYERS + 1):
        tensors[f"h{i}"] = activation(f"h{i}", SEQUENCE, Size(WIDTH))
        tensors[f"p{i}"] = activation(f"p{i}", Size(1), Size(WIDTH))
        tensors[f"l{i}"] = activation(f"l{i}", Size(1), Size(2))
        tensors[f"s{i}"] = activation(f"s{i}", Size(1), Size(1))
        ramp = (
            Pool(f"pool{i}", (f"h{i}",), f"p{i}", "mean"),
            MatMul(f"classify{i}", (f"p{i}",), f"l{i}", "c", None),
            Entropy(f"entropy{i}", (f"l{i}",), f"s{i}"),
            ExitCheck(f"check{i}", (f"s{i}",), f"s{i}", i),
        )
        product = MatMul(f"mm{i}", (previous,), f"h{i}", "w", None)
        layers.append(Layer(i, (product,), ramp if exits else ()))
        previous = f"h{i}"
    prologue = (Embedding("embed", (), "e", "table", "token"),)
    return OpTrace("toy", "Toy", prologue, tuple(layers), (), tensors, (previous,), 512, {})


def run(tokens: list[int], exits: list[int] | None = None, **options: object) -> GpuRun:
    return simulate_gpu(toy_trace(), tx2(), tokens, exits, load_technology(), **options)  # type: ignore[arg-type]


def test_one_product_follows_the_roofline_by_hand() -> None:
    """S = 128: 151 MFLOP against 0.4 of 1331 GFLOP/s; 1.57 MB against 0.7 of 59.7 GB/s; + 20 us."""
    trace = toy_trace()
    flop, traffic_bytes = op_work(trace, trace.layers[0].ops[0], 128, 2)
    assert flop == 2 * 128 * 768 * 768
    assert traffic_bytes == 2 * (2 * 128 * 768 + 768 * 768)
    parameters = GpuParameters.of("tx2_maxn", "fp16", load_technology())
    arithmetic_s = 2 * 128 * 768 * 768 / (1331e9 * 0.4)
    assert parameters.kernel_s(flop, traffic_bytes).value == pytest.approx(arithmetic_s + 20e-6)
    few_flop, few_bytes = op_work(trace, trace.layers[0].ops[0], 4, 2)
    traffic_s = 2 * (2 * 4 * 768 + 768 * 768) / (59.7e9 * 0.7)
    assert parameters.kernel_s(few_flop, few_bytes).value == pytest.approx(traffic_s + 20e-6)


def test_an_embedding_reads_its_rows_and_not_its_table() -> None:
    trace = toy_trace()
    assert op_work(trace, trace.prologue[0], 10, 2) == (0, 2 * 2 * 10 * WIDTH)


def test_albert_at_full_peak_takes_the_literature_bound() -> None:
    """Literature: 22.35 GFLOP at S = 128; peak 1.33 TFLOP/s in 16 bit: 16.8 ms, 33.6 in 32."""
    for precision, bound_s in (("fp16", 16.8e-3), ("fp32", 33.6e-3)):
        peak = GpuParameters.of("tx2_maxn", precision, load_technology()).peak_flop_per_s
        assert 22.35e9 / peak.value == pytest.approx(bound_s, rel=5e-3)


def test_energy_is_power_of_the_rails_times_latency() -> None:
    priced = run([20])
    np.testing.assert_allclose(priced.chip_energy_j[0], priced.latency_s[0] * (4.5 + 1.2))
    np.testing.assert_allclose(priced.offchip_energy_j[0], priced.latency_s[0] * 1.8)


def test_full_depth_runs_every_layer_and_the_last_ramp_without_a_decision() -> None:
    kinds = {row.name: row for row in run([20]).breakdown if row.group == "kind"}
    assert "entropy" not in kinds
    assert kinds["sync"].latency_s == pytest.approx(50e-6)
    layers = {row.name for row in run([20]).breakdown if row.group == "layer"}
    assert layers == {"embedding", "layer 1", "layer 2", "layer 3", "off-ramp 3", "logits"}


def test_an_exit_pays_every_ramp_on_its_way_with_one_sync_each() -> None:
    early = run([20], [2])
    kinds = {row.name: row for row in early.breakdown if row.group == "kind"}
    assert kinds["sync"].latency_s == pytest.approx(2 * 50e-6)
    layers = {row.name for row in early.breakdown if row.group == "layer"}
    assert layers == {"embedding", "layer 1", "off-ramp 1", "layer 2", "off-ramp 2"}
    assert run([20], [3]).latency_s[0, 0] > run([20]).latency_s[0, 0]


def test_compressed_weights_cost_what_dense_ones_do_and_the_run_says_so() -> None:
    dense, compressed = run([20]), run([20], dense=False)
    np.testing.assert_array_equal(dense.latency_s, compressed.latency_s)
    assert dense.notes == ()
    assert "no use for zeros" in compressed.notes[0]


@pytest.mark.parametrize("group", ["unit", "kind", "layer"])
@pytest.mark.parametrize("end", ["value", "low", "high"])
def test_rows_sum_to_the_mean_energy(group: str, end: str) -> None:
    priced = run([8, 20, 64], [1, 2, 3])
    total = sum(getattr(r.energy_j, end) for r in priced.breakdown if r.group == group)
    mean = priced.energy_j[("value", "low", "high").index(end)].mean()
    assert total == pytest.approx(mean, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 512), st.integers(1, NUM_LAYERS), st.sampled_from(["fp16", "fp32"]))
def test_ranges_are_ordered_and_longer_or_deeper_is_never_faster(
    tokens: int, layer: int, precision: str
) -> None:
    here = run([tokens], [layer], precision=precision).latency_s[:, 0]
    value, low, high = here
    assert 0 < low < value < high
    assert (run([tokens + 1], [layer], precision=precision).latency_s[:, 0] >= here).all()
    if layer < NUM_LAYERS:
        assert (run([tokens], [layer + 1], precision=precision).latency_s[:, 0] > here).all()


@pytest.mark.parametrize(
    ("entry_id", "sign"),
    [("tx2_maxn.fp16.compute_efficiency_fraction", -1), ("tx2_maxn.launch_overhead_us", 1),
     ("tx2_maxn.bandwidth_efficiency_fraction", -1), ("tx2_maxn.sync_overhead_us", 1)],
)  # fmt: skip
def test_latency_moves_with_each_parameter_in_its_own_direction(entry_id: str, sign: int) -> None:
    technology = load_technology()
    entry = technology.entry(entry_id)
    assert entry.value is not None
    more = technology.replaced(dataclasses.replace(entry, value=1.1 * entry.value))
    tokens = [128]
    before = simulate_gpu(toy_trace(), tx2(), tokens, None, technology).latency_s[0, 0]
    after = simulate_gpu(toy_trace(), tx2(), tokens, None, more).latency_s[0, 0]
    assert sign * (after - before) > 0


def test_wrong_precision_layers_or_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="int8"):
        run([20], precision="int8")
    with pytest.raises(InputError, match="allowed 1 to 3"):
        run([20], [4])
    with pytest.raises(InputError, match="2 for 1 sentences"):
        run([20], [1, 2])
    with pytest.raises(InputError, match="at least one token"):
        run([0])
    with pytest.raises(InputError, match="no off-ramps"):
        simulate_gpu(toy_trace(exits=False), tx2(), [20], [1], load_technology())


def test_maxq_is_maxn_at_its_clock_and_nowhere_faster() -> None:
    """0.85 GHz against 1.3 GHz: peak scales with the clock, bandwidth and launches do not."""
    technology = load_technology()
    for precision in ("fp16", "fp32"):
        fast, slow = (
            GpuParameters.of(device, precision, technology) for device in ("tx2_maxn", "tx2_maxq")
        )
        ratio = slow.peak_flop_per_s.value / fast.peak_flop_per_s.value
        assert ratio == pytest.approx(0.85 / 1.3, rel=1e-3)
        assert slow.bandwidth_bytes_per_s == fast.bandwidth_bytes_per_s
        assert slow.launch_s == fast.launch_s
        assert slow.gpu_power_w.high < fast.gpu_power_w.high
        assert slow.gpu_power_w.low < fast.gpu_power_w.low


def test_maxq_stays_within_its_module_budget_at_the_nominal_power() -> None:
    """7.5 W module (recalled): GPU, SOC and DDR rails at their values leave room for the CPU."""
    parameters = GpuParameters.of("tx2_maxq", "fp16", load_technology())
    rails = (parameters.gpu_power_w, parameters.soc_power_w, parameters.ddr_power_w)
    assert sum(rail.value for rail in rails) < 7.5
    for rail in rails:
        assert rail.high <= 3 * rail.low + 1e-9


@pytest.mark.parametrize("exits", [None, [1, 3]])
def test_roofline_points_sum_to_the_run_and_lie_under_the_roof(exits: list[int] | None) -> None:
    found = run([32, 128], exits)
    parameters = GpuParameters.of("tx2_maxn", "fp16", load_technology())
    assert sum(point.macs for point in found.roofline) == pytest.approx(found.macs.mean())
    moved = sum(point.traffic_bytes for point in found.roofline)
    assert moved == pytest.approx(found.traffic_bytes.mean())
    kinds = {row.name: row.latency_s for row in found.breakdown if row.group == "kind"}
    for point in found.roofline:
        assert point.latency_s == pytest.approx(kinds[point.name])
        assert 2 * point.macs <= point.latency_s * parameters.peak_flop_per_s.value
        assert point.traffic_bytes <= point.latency_s * parameters.bandwidth_bytes_per_s.value
