"""What ops say of themselves: tensors, shapes, work and accesses."""

from __future__ import annotations

import dataclasses

import pytest

from edgesim.ir import ops
from edgesim.ir.op import Extent, Op
from edgesim.ir.size import SEQUENCE, Size

DIMS = {
    "ids": (7, 16), "x": (7, 16), "y": (7, 24), "w": (24, 16), "p": (2, 7, 7), "v": (16, 7),
    "wide": (7, 32), "row": (1, 16), "logits": (1, 2), "h": (1, 1), "table": (30, 16),
}  # fmt: skip
SHAPES = {
    name: tuple(SEQUENCE if size == 7 else Size(size) for size in dims)
    for name, dims in DIMS.items()
}
PRODUCT = ops.MatMul("mm", ("x",), "y", "w", None)
SCORES = ops.AttentionScores("qk", ("x", "x"), "p", 2, 8, 0.5, (None, 3))
SOFTMAX = ops.Softmax("soft", ("p",), "p")
CONTEXT = ops.AttentionContext("pv", ("p", "v"), "x", 2, 8)
IDLE = ops.AttentionContext("pv", ("p", "v"), "wide", 2, 8, (True, False, True, False))
ADD = ops.Add("sum", ("x", "x"), "x")
POOL = ops.Pool("pool", ("x",), "row", "mean")
ENTROPY = ops.Entropy("entropy", ("logits",), "h")
SOUND = (
    PRODUCT, SCORES, SOFTMAX, CONTEXT, IDLE, ADD, POOL, ENTROPY,
    ops.Input("in", (), "x"), ops.Embedding("words", (), "ids", "table", "token"),
    ops.Relayout("turn", ("x",), "v"), ops.ExitCheck("exit", ("h",), "h", 1),
    ops.Activation("act", ("x",), "x", "gelu"), ops.Host("host", ("x",), "x", "sin"),
)  # fmt: skip


def _fits(op: Op) -> bool:
    inputs, weights = ([SHAPES[n] for n in names] for names in (op.inputs, op.weights))
    return op.fits(inputs, weights, SHAPES[op.output])


@pytest.mark.parametrize("op", SOUND, ids=lambda op: f"{op.kind}-{op.output}")
def test_tensors_that_go_together_fit_and_an_output_of_another_shape_does_not(op: Op) -> None:
    assert _fits(op)
    assert op.wrong_value() is None
    assert len(op.inputs) == op.num_inputs
    if op.kind not in ("input", "exit_check"):
        assert not _fits(dataclasses.replace(op, output="w"))


@pytest.mark.parametrize(
    "op",
    [
        dataclasses.replace(PRODUCT, bias="row"),
        dataclasses.replace(SCORES, spans=(None,)),
        dataclasses.replace(IDLE, present=(True, True, True, False)),
        ops.LayerNorm("norm", ("x",), "x", "w", "w", 1e-12),
    ],
)
def test_a_bias_spans_heads_or_parameters_of_another_size_do_not_fit(op: Op) -> None:
    assert not _fits(op)


@pytest.mark.parametrize(
    ("op", "extent"),
    [
        (PRODUCT, Extent(7, 16, 24)),
        (SCORES, Extent(7, 8, 7, 2)),
        (SOFTMAX, Extent(7, 7, 7, 2)),
        (CONTEXT, Extent(7, 7, 8, 2)),
        (ADD, Extent(7, 16, 16)),
        (ops.Input("in", (), "x"), Extent(0, 16, 16)),
        (ops.Embedding("words", (), "x", "table", "token"), Extent(7, 16, 16)),
        (dataclasses.replace(SOFTMAX, inputs=("x",)), Extent(7, 16, 16, 1)),
    ],
)
def test_work_follows_from_the_sizes_of_the_tensors(op: Op, extent: Extent) -> None:
    assert op.extent(DIMS.__getitem__) == extent


def test_tensors_of_the_head_loop_and_single_numbers_take_no_room() -> None:
    assert (SCORES.resident_inputs, SCORES.resident_output) == (("x", "x"), None)
    assert (SOFTMAX.resident_inputs, SOFTMAX.resident_output) == ((), None)
    assert (CONTEXT.resident_inputs, CONTEXT.resident_output) == (("v",), "x")
    assert (ENTROPY.resident_inputs, ENTROPY.resident_output) == (("logits",), None)
    assert (ADD.resident_inputs, ADD.resident_output) == (("x", "x"), "x")


def test_a_pool_writes_one_row_an_entropy_none_and_the_others_what_they_read() -> None:
    written = {op.kind: op.written_elements(7, 16) for op in (POOL, ENTROPY, ADD)}
    assert written == {"pool": 16, "entropy": 0, "add": 112}


def test_only_parameters_of_special_functions_go_to_the_auxiliary_memory() -> None:
    norm = ops.LayerNorm("norm", ("x",), "x", "gamma", "beta", 1e-12)
    assert norm.parameters == ("gamma", "beta")
    assert PRODUCT.parameters == ()
    assert ops.Embedding("words", (), "x", "table", "token").parameters == ()


def test_a_gpu_moves_the_rows_of_a_table_that_are_read_and_not_the_table() -> None:
    assert ops.Embedding("words", (), "x", "table", "token").moved_tensors == ("x", "x")
    assert PRODUCT.moved_tensors == ("x", "y", "w")


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (ops.Activation("act", ("x",), "x", "sin"), "function 'sin'; allowed: relu"),
        (ops.Pool("pool", ("x",), "row", "max"), "pooling 'max'; allowed: mean"),
        (ops.Embedding("words", (), "x", "table", "depth"), "index 'depth'; allowed: token"),
        (dataclasses.replace(SCORES, spans=(None, -1)), "a span outside 0 to"),
        (dataclasses.replace(SCORES, scale=float("inf")), "scale inf"),
        (ops.LayerNorm("norm", ("x",), "x", "g", "b", -1.0), "epsilon -1.0"),
    ],
)
def test_words_and_numbers_that_no_lowering_writes_are_named(op: Op, words: str) -> None:
    assert str(op.wrong_value()).startswith(words)


def test_kinds_are_grouped_by_what_runs_them() -> None:
    assert ops.PRODUCTS == ("matmul", "attention_scores", "attention_context")
    assert {"softmax", "layernorm", "add", "entropy"} <= {*ops.SPECIAL_FUNCTIONS}
    assert {"embedding", "pool", "relayout"} <= {*ops.MOVEMENTS}
    assert ops.facts_of("span_mask") is Op
    assert ops.facts_of("softmax") is ops.Softmax
