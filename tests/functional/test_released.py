"""A trace in the released arithmetic: its ops are those of `functional.hls`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chip_cases import FORMAT, sentences, toy

from edgesim.errors import InputError
from edgesim.functional import hls
from edgesim.functional.batch import Batch, batches
from edgesim.functional.execution import execute_all, execute_batch
from edgesim.functional.float32 import float32_arithmetic
from edgesim.functional.released import Released, released_arithmetic
from edgesim.ir.ops import MatMul, Op

ONE_ROW = Batch(np.zeros((1, 4), dtype=np.int64), np.array([4]))


def test_a_product_is_the_released_product_with_the_bias_as_one_more_column() -> None:
    trace = toy()
    arithmetic = released_arithmetic(trace)
    op = next(op for op in trace.layers[0].ops if isinstance(op, MatMul) and op.name.endswith("up"))
    x = Released(np.random.default_rng(0).integers(0, 32, (1, 4, 24)).astype(np.uint8), 5)
    got = arithmetic.run(op, [x], ONE_ROW)
    assert trace.values is not None
    weight, bias = trace.values[op.weight], trace.values[op.bias or ""]
    register = FORMAT.bias_for(weight) + 10
    one = 0x50  # exponent field 5 under register 5 is 2^0
    assert float(hls.decode(one, 5)) == 1.0
    left = np.concatenate([x.codes[0], np.full((4, 1), one)], axis=1)
    right = FORMAT.encode(np.concatenate([weight, bias[:, None]], axis=1), register - 10)
    together = got.register + 16 - 5 - register
    expected = hls.matmul(left, right, max(together - 5, 0), min(together, 5))
    np.testing.assert_array_equal(got.codes[0], expected)


def test_small_codes_give_the_true_product_where_nothing_overflows() -> None:
    """What the shift and the registers mean: values, not only bits."""
    trace = toy()
    op = next(op for op in trace.layers[0].ops if isinstance(op, MatMul) and op.name.endswith("up"))
    assert trace.values is not None
    assert op.bias is not None
    weight = trace.values[op.weight] * np.float32(0.05)
    weight[0, 0] = 1.0  # puts all others into the lower binades; meets a zero
    values = {**trace.values, op.weight: weight, op.bias: 0 * trace.values[op.bias]}
    tensors = {**trace.tensors, op.output: replace(trace.tensors[op.output], largest=0.01)}
    trace = replace(trace, values=values, tensors=tensors)
    arithmetic, plain = released_arithmetic(trace), float32_arithmetic(trace)
    small = np.random.default_rng(1).standard_normal((1, 4, 24)).astype(np.float32) * 0.1
    small[..., 0] = 0
    x = arithmetic.encoded(small, 5)
    got = arithmetic.values(arithmetic.run(op, [x], ONE_ROW))
    expected = plain.run(op, [arithmetic.values(x).astype(np.float32)], ONE_ROW)
    assert np.abs(got - expected).max() < 0.15 * np.abs(expected).max()
    assert np.abs(got).max() > 0.5 * np.abs(expected).max()


def test_answers_come_out_and_padding_is_only_cut_by_the_span_mask() -> None:
    trace, given = toy(), sentences(5, 9)
    arithmetic = released_arithmetic(trace)
    answers = execute_all(trace, given, arithmetic)
    assert answers.entropies is not None
    assert np.isfinite(answers.logits).all()
    assert (answers.entropies * 1024 == np.rint(answers.entropies * 1024)).all()
    execute_all(trace, given, arithmetic, pad_to=16)


def test_it_leaves_at_most_at_the_threshold_and_below_zero() -> None:
    arithmetic = released_arithmetic(toy())
    entropies = np.array([-3.0, 0.25, 0.25 + 2**-10])
    assert arithmetic.leaves(entropies, 0.2505).tolist() == [True, True, False]
    assert arithmetic.leaves(entropies, np.inf).all()


def test_host_ops_compute_in_float32() -> None:
    trace = toy("tanh")
    arithmetic = released_arithmetic(trace)
    _, batch = next(batches(trace, sentences(6)))
    seen: dict[str, Any] = {}

    def keep(op: Op, value: Any) -> None:
        seen[op.output] = value

    execute_batch(trace, batch, arithmetic, keep)
    op = next(op for op in trace.layers[0].ops if op.kind == "activation")
    inside = np.tanh(hls.decode(seen[op.inputs[0]].codes, seen[op.inputs[0]].register))
    register = seen[op.output].register
    np.testing.assert_array_equal(
        seen[op.output].codes, FORMAT.encode(inside.astype(np.float32), register - 10)
    )


def test_spans_by_distance_are_refused() -> None:
    trace = toy(spans=(2, None, None))
    with pytest.raises(InputError, match="by a key's position"):
        execute_all(trace, sentences(4), released_arithmetic(trace))
