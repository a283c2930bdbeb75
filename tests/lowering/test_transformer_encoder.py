"""torch.nn.TransformerEncoder: a model that begins with an input tensor instead of embeddings."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from lower_models import FEED_FORWARD, HEADS, HIDDEN, VOCABULARY, randomised
from torch import Tensor, nn

import edgesim as es
from edgesim.errors import InputError, LoweringError
from edgesim.functional.float32 import execute
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import load_trace, save_trace
from edgesim.mapping.planner import Mapper
from edgesim.pipeline.lower import lower_model as lower

LAYERS = 2
ACCELERATORS = ("edgebert-n16", "edgebert-n2")


def encoder(
    batch_first: bool = True, norm_first: bool = False, activation: str = "relu",
    final_norm: bool = False,
) -> nn.TransformerEncoder:  # fmt: skip
    layer = nn.TransformerEncoderLayer(
        HIDDEN, HEADS, FEED_FORWARD, activation=activation, batch_first=batch_first,
        norm_first=norm_first,
    )  # fmt: skip
    norm = nn.LayerNorm(HIDDEN) if final_norm else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = nn.TransformerEncoder(layer, LAYERS, norm)
    randomised(model)
    return model


def rows(num_tokens: int) -> Tensor:
    return torch.randn(num_tokens, HIDDEN, generator=torch.Generator().manual_seed(num_tokens))


@pytest.fixture(scope="module")
def trace() -> OpTrace:
    return lower(encoder())


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_trace_executed_op_by_op_equals_the_encoder(
    batch_first: bool, norm_first: bool, activation: str
) -> None:
    model = encoder(batch_first, norm_first, activation, final_norm=norm_first)
    lowered = lower(model)
    for num_tokens in (1, 2, 9):
        x = rows(num_tokens)
        with torch.no_grad():
            expected = model(x.unsqueeze(0 if batch_first else 1)).reshape(num_tokens, HIDDEN)
        found = execute(lowered, x.numpy())[lowered.outputs[0]]
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_fused_projections_become_three_products_of_the_rows_of_one_weight(trace: OpTrace) -> None:
    kinds = [op.kind for op in trace.layers[0].ops[:4]]
    assert kinds == ["matmul"] * 3 + ["attention_scores"]
    model = encoder()
    whole = model.layers[0].self_attn.in_proj_weight.detach().numpy()
    parts = [trace.values[op.weight] for op in trace.layers[0].ops[:3]]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert [op.kind for op in trace.prologue] == ["input"]


def test_macs_are_those_of_the_closed_form(trace: OpTrace) -> None:
    s, d = 17, HIDDEN
    layer = 4 * s * d * d + 2 * s * s * d + 2 * s * d * FEED_FORWARD
    assert trace.macs(s) == LAYERS * layer


def test_an_example_tells_the_width_and_the_form_of_the_input() -> None:
    model = encoder(batch_first=False)
    for example in (torch.zeros(5, 1, HIDDEN), torch.zeros(5, HIDDEN)):
        assert lower(model, example).macs(7) == lower(model).macs(7)


class Embedded(nn.Module):
    """Token ids, an embedding, an encoder, and a head that is a list named `layers` too."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.table = nn.Embedding(VOCABULARY, HIDDEN)
        self.encoder = encoder(batch_first)
        self.head = nn.Module()
        self.head.layers = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 2)])

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.table(input_ids)
        x = self.encoder(x) if self.batch_first else self.encoder(x.transpose(0, 1)).transpose(0, 1)
        for layer in self.head.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("batch_first", [False, True])
def test_an_encoder_behind_embeddings_is_lowered_and_a_head_is_no_layer(batch_first: bool) -> None:
    model = randomised(Embedded(batch_first))
    lowered = lower(model)
    assert lowered.num_layers == LAYERS
    assert [op.kind for op in lowered.prologue] == ["embedding"]
    assert [op.kind for op in lowered.epilogue] == ["matmul", "matmul"]
    ids = torch.arange(6).unsqueeze(0)
    with torch.no_grad():
        expected = model(ids)[0].numpy()
    found = execute(lowered, ids[0].numpy())[lowered.outputs[0]]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", [*ACCELERATORS, "edgebert-hls", "tx2-maxn"])
def test_it_runs_on_every_kind_of_chip(trace: OpTrace, name: str) -> None:
    result = es.simulate(trace, es.load_chip(name), pad_to=32)
    assert result.ideal_latency_s is not None
    assert result.latency_s.low >= result.ideal_latency_s > 0
    assert result.energy_j is not None
    assert result.energy_j.value > 0


@pytest.mark.parametrize("name", ACCELERATORS)
def test_the_input_is_read_once_and_the_host_computes_nothing(trace: OpTrace, name: str) -> None:
    chip = es.load_chip(name)
    assert isinstance(chip, AcceleratorSpec)
    plan = Mapper(trace, chip).embedding(32, None)
    (op,) = plan.ops
    (load,) = op.loads
    elements = 32 * HIDDEN
    assert (load.medium, load.bits) == ("lpddr4", elements * 8 + elements)
    assert (op.rows, op.stores) == (0, ())
    assert plan.traffic_bits == plan.compulsory_bits == load.bits
    run = es.simulate(trace, chip, pad_to=32)
    reading = {row.name: row.latency_s for row in run.breakdown if row.group == "kind"}["input"]
    port_s = load.bits / 64 / 1e9
    latency_s = 1e-9 * es.load_technology().value("lpddr4.access_latency_ns")
    assert reading == pytest.approx(port_s + latency_s, abs=2e-9)


def test_a_chip_without_host_work_takes_an_input_too() -> None:
    lowered = lower(encoder(activation="gelu"))
    chip = es.load_chip("edgebert-n16", overrides={"host.fallback": "none"})
    assert es.simulate(lowered, chip, pad_to=8).latency_s.value > 0


def test_a_saved_trace_keeps_its_input(trace: OpTrace, tmp_path: Path) -> None:
    save_trace(trace, tmp_path / "t.npz")
    loaded = load_trace(tmp_path / "t.npz")
    assert list(loaded.all_ops()) == list(trace.all_ops())
    assert dict(loaded.tensors) == dict(trace.tensors)


def test_inputs_that_do_not_fit_are_named(trace: OpTrace) -> None:
    with pytest.raises(InputError, match=rf"wants \(tokens, {HIDDEN}\)"):
        execute(trace, np.zeros((3, HIDDEN + 1)))
    with pytest.raises(InputError, match="no embeddings"):
        execute(trace, [1, 2, 3])
    with pytest.raises(LoweringError, match="leave out a mask that it looks into"):
        lower(encoder(), {"src": torch.zeros(1, 5, HIDDEN), "mask": torch.zeros(5, 5)})
    with pytest.raises(InputError, match="input tensor of shape"):
        lower(encoder(), torch.zeros(1, 2, 5, HIDDEN))
    with pytest.raises(LoweringError, match=r"layers\.<i>"):
        lower(encoder().layers[0])
