"""The scale of the work: bounds layer by layer against arithmetic, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.cli import main
from edgesim.errors import InputError
from edgesim.ir.scale import LayerScale, LengthScale, WorkScale
from edgesim.ir.trace_file import save_trace
from edgesim.pipeline.scale import scale_of_work
from edgesim.plot.scale import layer_scale_data, plot_layer_scale
from edgesim.report.scale import scale_text

SHAPE = BertShape(width=256, heads=4, hidden=1024, layers=2)


def test_weights_bind_short_sentences_and_products_long_ones() -> None:
    """A layer's weights take bits / 64 cycles, its products tokens x width x ... / 256 cycles.

    Dense weights of a layer are 12 x 256² bytes and masks: 9 bits each over 64 bits a cycle. The
    products alone take tokens / 256 cycles a weight, so they pass the weights at 36 tokens, and
    with the special functions beside them a little earlier.
    """
    scale = scale_of_work(bert_like(SHAPE), toy_chip(), [16, 24, 48, 128])
    bounds = [[la.bound for la in n.layers if la.layer.startswith("layer")] for n in scale.lengths]
    assert bounds == [["memory"] * 2, ["memory"] * 2, ["compute"] * 2, ["compute"] * 2]
    assert scale.turning_points()[24, 48] == ["layer 1", "layer 2"]


def test_a_wider_port_moves_the_turning_point_to_shorter_sentences() -> None:
    wide = toy_chip(overrides={"storage.lpddr4.port": "256 bit"})
    scale = scale_of_work(bert_like(SHAPE), wide, [16, 128])
    assert all(la.bound == "compute" for la in scale.lengths[1].layers if "layer" in la.layer)
    memory = [
        sum(la.memory_s for la in scale_of_work(bert_like(SHAPE), chip, [16]).lengths[0].layers)
        for chip in (toy_chip(), wide)
    ]
    assert memory[1] < memory[0]


def test_each_length_is_the_run_of_one_sentence() -> None:
    trace, chip = bert_like(SHAPE), toy_chip()
    (length,) = scale_of_work(trace, chip, [48]).lengths
    result = es.simulate(trace, chip, pad_to=48)
    assert length.latency_s == result.latency_s.value
    assert length.energy_j == result.energy_j
    assert sum(layer.latency_s for layer in length.layers) == pytest.approx(length.latency_s)
    assert [layer.layer for layer in length.layers][:2] == ["embedding", "layer 1"]


def test_lengths_are_sorted_and_wrong_ones_are_named() -> None:
    trace, chip = bert_like(SHAPE), toy_chip()
    found = scale_of_work(trace, chip, [32, 16])
    assert [length.num_tokens for length in found.lengths] == [16, 32]
    with pytest.raises(InputError, match="length 513: the model allows 1 to 512 tokens"):
        scale_of_work(trace, chip, [16, 513])
    with pytest.raises(InputError, match="give at least one, and each once"):
        scale_of_work(trace, chip, [16, 16])
    with pytest.raises(InputError, match="tx2-maxn is no accelerator"):
        scale_of_work(trace, es.load_chip("tx2-maxn"), [16])


def synthetic() -> WorkScale:
    def layer(name: str, compute_s: float, memory_s: float) -> LayerScale:
        return LayerScale(name, max(compute_s, memory_s), compute_s, memory_s, 0.0, "words")

    energy = es.simulate(bert_like(SHAPE), toy_chip(), pad_to=8).energy_j
    assert energy is not None
    rows = {
        8: (layer("embedding", 1e-6, 2e-6), layer("layer 1", 1e-6, 2e-6),
            layer("layer 2", 3e-6, 2e-6), layer("layer 3", 1e-6, 2e-6)),
        16: (layer("embedding", 1e-6, 4e-6), layer("layer 1", 2e-6, 2.5e-6),
             layer("layer 2", 6e-6, 2e-6), layer("layer 3", 4e-6, 2e-6)),
        32: (layer("embedding", 1e-6, 8e-6), layer("layer 1", 4e-6, 2e-6),
             layer("layer 2", 9e-6, 2e-6), layer("layer 3", 8e-6, 2e-6)),
    }  # fmt: skip
    lengths = tuple(LengthScale(n, 1e-3 * n, energy, 1.0, layers) for n, layers in rows.items())
    return WorkScale("model", "chip", lengths)


def test_the_text_names_runs_of_layers_and_every_turn() -> None:
    text = scale_text(synthetic())
    assert "embedding, layer 1, 3" in text
    assert "layer 1 to 3" in text
    assert "memory-bound up to 8 tokens, compute-bound from 16 on: layer 3" in text
    assert "memory-bound up to 16 tokens, compute-bound from 32 on: layer 1" in text


def test_the_picture_shows_the_mean_of_the_encoder_layers_with_units() -> None:
    frame = layer_scale_data(synthetic())
    assert list(frame["layer"].unique()) == ["embedding", "layer 1", "layer 2", "layer 3"]
    ax = plot_layer_scale(synthetic())
    assert ax.get_xlabel() == "Sentence length (tokens)"
    assert ax.get_ylabel() == "Time per layer (µs)"
    memory = ax.lines[2].get_ydata()
    assert list(memory) == pytest.approx([2.0, 6.5 / 3, 2.0])


def test_the_command_writes_text_json_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, target = tmp_path / "t.npz", tmp_path / "s.json"
    save_trace(bert_like(SHAPE), trace)
    arguments = ["scale", str(trace), "--lengths", "16", "48", "--json", str(target)]
    assert main([*arguments, "-o", str(tmp_path / "p.png")]) == 0
    assert "batch 1" in capsys.readouterr().out
    record = json.loads(target.read_text())
    assert [length["num_tokens"] for length in record["lengths"]] == [16, 48]
    assert record["lengths"][0]["layers"][1]["bound"] == "memory"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--lengths", "0"], "length 0: the model allows"),
        (["-o", "p.pdf"], "a picture ends in .png"),
        (["-o", "nowhere/p.png"], "the folder nowhere does not exist"),
        (["--chip", "tx2-maxn"], "is no accelerator"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    extra: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "t.npz"
    save_trace(bert_like(SHAPE), trace)
    assert main(["scale", str(trace), *extra]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
