"""Folders of transformers 4 with `pruned_heads` give the model without those heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hugging_face_folders import built, refusal, state, store, stored
from lower_models import HEADS, HIDDEN, LAYERS
from test_lowered_values import assert_same_outputs
from torch import nn

from edgesim.lowering.hugging_face import load_hugging_face
from edgesim.pipeline.lower import lower_model as lower

SIZE = HIDDEN // HEADS
BERT = ("query", "key", "value"), "output.dense.weight"
KINDS = {
    "bert classifier": ("bert.encoder.layer.{}.attention.", "self.", *BERT),
    "bert": ("encoder.layer.{}.attention.", "self.", *BERT),
    "albert": (
        "encoder.albert_layer_groups.{}.albert_layers.0.attention.", "", BERT[0], "dense.weight",
    ),
    "distilbert classifier": (
        "distilbert.transformer.layer.{}.attention.", "", ("q_lin", "k_lin", "v_lin"),
        "out_lin.weight",
    ),
}  # fmt: skip


def pruned(name: str, heads: dict[int, list[int]], folder: Path) -> nn.Module:
    """Write a folder with smaller matrices; its model with the columns of those heads zero."""
    model, _ = built(name, folder)
    path, inner, products, projection = KINDS[name]
    weights = stored(folder)
    for layer, gone in heads.items():
        prefix = path.format(layer)
        rows = torch.cat([torch.arange(h * SIZE, (h + 1) * SIZE) for h in range(HEADS)
                          if h not in gone])  # fmt: skip
        for product in products:
            for part in ("weight", "bias"):
                tensor = f"{prefix}{inner}{product}.{part}"
                weights[tensor] = weights[tensor][rows]
        weights[prefix + projection] = weights[prefix + projection][:, rows]
        with torch.no_grad():
            columns = model.get_parameter(prefix + projection)
            for head in gone:
                columns[:, head * SIZE : (head + 1) * SIZE] = 0
    store(folder, weights)
    state(folder, pruned_heads={str(layer): gone for layer, gone in heads.items()})
    return model


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("bert classifier", {0: [1]}), ("bert", {0: [0], 1: [1, 2]}), ("albert", {0: [0, 2]}),
        ("distilbert classifier", {1: [2]}),
    ],
)  # fmt: skip
def test_a_folder_with_pruned_heads_equals_the_model_with_their_output_zero(
    name: str, heads: dict[int, list[int]], tmp_path: Path
) -> None:
    model = pruned(name, heads, tmp_path)
    loaded = load_hugging_face(tmp_path)
    assert loaded.notes == ()
    assert type(loaded.module).__name__ == type(model).__name__
    trace = lower(loaded.module)
    assert_same_outputs(trace, model, (1, 5))
    counts = [op.num_heads for layer in trace.layers for op in layer.ops
              if op.kind == "attention_scores"]  # fmt: skip
    shared = name == "albert"
    gone = [heads.get(0 if shared else layer, []) for layer in range(LAYERS)]
    assert counts == [HEADS - len(listed) for listed in gone]


def test_pruned_heads_that_the_files_do_not_have_are_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, pruned_heads={"0": [1]})
    text = refusal(folder)
    assert "is 24 × 24 in the file" in text or "is 24 in the file" in text
    assert "pruned_heads" in text
    for heads, words in (
        ({"2": [0]}, "layers 0 to 1 with heads 0 to 2"), ({"0": [3]}, "heads 0 to 2"),
        ({"0": [0, 1, 2]}, "takes all 3 heads of layer 0"), ({"a": [0]}, "numbers of heads"),
        ([1], "numbers of heads"), ({"0": [True]}, "numbers of heads"),
    ):  # fmt: skip
        state(folder, pruned_heads=heads)
        assert words in refusal(folder)


def test_smaller_matrices_without_the_setting_are_refused_by_shape(tmp_path: Path) -> None:
    pruned("bert", {0: [1]}, tmp_path)
    state(tmp_path, pruned_heads=None)
    assert "7 weights of another shape (encoder.layer.0.attention" in refusal(tmp_path)
