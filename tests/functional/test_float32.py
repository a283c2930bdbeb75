"""Oracle: ops executed in float32 against closed forms, on a trace made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.errors import InputError
from edgesim.functional.float32 import FUNCTIONS, execute
from edgesim.ir import ops
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.size import SEQUENCE, Size

TABLE = np.array([[1, 0], [0, 1], [2, 2], [-1, 3]], np.float32)
POSITIONS = np.array([[0, 0], [10, 20], [30, 40]], np.float32)


def trace(*body: ops.Op, max_tokens: int = 3) -> OpTrace:
    """Token embeddings `x` (S, 2), then the given ops; weights `w` (3, 2), `b`, `g`."""
    values = {
        "table": TABLE, "positions": POSITIONS, "g": np.array([2, 1], np.float32),
        "w": np.array([[1, 2], [0, 1], [1, 0]], np.float32),
        "b": np.array([1, 2, 3], np.float32), "z": np.zeros(2, np.float32),
    }  # fmt: skip
    table = Tensor("table", "embedding_weight", (Size(4), Size(2)))
    return OpTrace(
        name="hand", model_class="None",
        prologue=(ops.Embedding("x", (), "x", "table", "token"),),
        layers=(Layer(1, body),), epilogue=(), tensors={"table": table}, outputs=(),
        max_tokens=max_tokens, masks={}, values=values,
    )  # fmt: skip


def run(op: ops.Op, ids: tuple[int, ...] = (0, 2, 3)) -> np.ndarray:
    return execute(trace(op), ids)[op.output]


def test_rows_are_chosen_by_token_position_or_type() -> None:
    np.testing.assert_array_equal(execute(trace(), (3, 0))["x"], [[-1, 3], [1, 0]])
    by_position = ops.Embedding("p", (), "p", "positions", "position")
    np.testing.assert_array_equal(run(by_position, (3, 0)), [[0, 0], [10, 20]])
    by_type = ops.Embedding("t", (), "t", "table", "type")
    np.testing.assert_array_equal(run(by_type, (3, 0)), [[1, 0], [1, 0]])


def test_a_product_multiplies_by_the_transposed_weight_and_adds_the_bias() -> None:
    with_bias = ops.MatMul("y", ("x",), "y", "w", "b")
    np.testing.assert_array_equal(run(with_bias), [[2, 2, 4], [7, 4, 5], [6, 5, 2]])
    np.testing.assert_array_equal(
        run(replace(with_bias, bias=None)), [[1, 0, 1], [6, 2, 2], [5, 3, -1]]
    )


def test_scores_are_scaled_products_by_head() -> None:
    op = ops.AttentionScores("s", ("x", "x"), "s", 2, 1, 0.5, (None, None))
    np.testing.assert_array_equal(
        run(op, (2, 3)), [[[2, -1], [-1, 0.5]], [[2, 3], [3, 4.5]]]
    )  # fmt: skip


def test_context_reads_transposed_values_by_head() -> None:
    turned = ops.Relayout("r", ("x",), "r")
    scores = ops.AttentionScores("s", ("x", "x"), "s", 2, 1, 0.0, (None, None))
    softmax = ops.Softmax("p", ("s",), "p")
    context = ops.AttentionContext("c", ("p", "r"), "c", 2, 1)
    values = execute(trace(turned, scores, softmax, context), (0, 2, 3))
    np.testing.assert_array_equal(values["r"], [[1, 2, -1], [0, 2, 3]])
    np.testing.assert_allclose(values["p"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(values["c"], [[2 / 3, 5 / 3]] * 3, rtol=1e-6)


def test_a_layer_norm_centres_scales_and_shifts() -> None:
    op = ops.LayerNorm("n", ("x",), "n", "g", "z", 0.0)
    np.testing.assert_allclose(run(op, (0, 3)), [[2, -1], [-2, 1]], rtol=1e-6)
    wide = replace(op, epsilon=0.75)
    np.testing.assert_allclose(run(wide, (0,)), [[1, -0.5]], rtol=1e-6)


def test_pooling_takes_the_mean_or_the_first_row() -> None:
    np.testing.assert_allclose(run(ops.Pool("p", ("x",), "p", "mean")), [[2 / 3, 5 / 3]])
    np.testing.assert_array_equal(run(ops.Pool("p", ("x",), "p", "first")), [[1, 0]])


def test_the_entropy_of_equal_logits_is_the_logarithm_of_their_number() -> None:
    assert run(ops.Entropy("h", ("x",), "h"), (2,))[0, 0] == pytest.approx(math.log(2))
    p = 1 / (1 + math.exp(-1))
    expected = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert run(ops.Entropy("h", ("x",), "h"), (0,))[0, 0] == pytest.approx(expected, rel=1e-5)


@given(st.floats(-30, 30, width=32))
def test_activations_match_their_closed_forms(x: float) -> None:
    point = np.array([[x]], np.float32)
    tanh = math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    expected = {
        "relu": max(x, 0.0), "tanh": math.tanh(x), "gelu_new": 0.5 * x * (1 + tanh),
        "gelu": 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    }  # fmt: skip
    assert set(expected) == set(FUNCTIONS) == set(ops.ACTIVATIONS)
    for name, value in expected.items():
        found = FUNCTIONS[name](point)
        assert found.dtype == np.float32
        assert found[0, 0] == pytest.approx(value, rel=2e-6, abs=2e-6)


def test_exit_checks_yield_nothing_and_values_stay_float32() -> None:
    entropy = ops.Entropy("h", ("x",), "h")
    values = execute(trace(entropy, ops.ExitCheck("e", ("h",), "e", 1)), (1,))
    assert set(values) == {"x", "h"}
    assert all(value.dtype == np.float32 for value in values.values())


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((), "whole numbers"),
        ((0, 1, 2, 3), "4 tokens; allowed 1 to 3"),
        ((0, 4), "token ids from 0 to 4; table has 4 rows"),
        ((-1,), "token ids from -1"),
        ((0.5,), "whole numbers"),
        (((1, 2),), "one sentence"),
    ],
)
def test_token_ids_out_of_range_are_refused(ids: tuple[float, ...], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        execute(trace(), ids)


def test_what_is_not_executed_says_so() -> None:
    with pytest.raises(InputError, match="no weight values"):
        execute(replace(trace(), values=None), (1,))
    with pytest.raises(InputError, match="kind 'host' is not executed"):
        run(ops.Host("h", ("x",), "h", "gelu"))


def test_sequences_of_one_token_run() -> None:
    assert execute(trace(), (1,))["x"].shape == (SEQUENCE.at(1), 2)
