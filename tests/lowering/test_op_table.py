"""The op table on records made by hand: it works without torch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edgesim.errors import LoweringError
from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.records import Call, Constant, Graph, Ref
from edgesim.lowering.table import TABLE, lower_calls

ONE, WIDTH = Size(1), Size(6)
ROWS = (ONE, SEQUENCE, WIDTH)


def call(name: str, target: str, *args: Any, shape: Any = ROWS, **kwargs: Any) -> Call:
    return Call(name, f"aten.{target}", args, shape, kwargs, (("some.module", 0),))


def graph(*calls: Call, outputs: tuple[str, ...], **constants: Constant) -> Graph:
    embedding = call("hidden", "embedding.default", Ref("table"), Ref("ids"))
    values = {
        "table.weight": np.ones((9, 6), np.float32), "w": np.ones((4, 6), np.float32),
        "b": np.ones(4, np.float32), "g": np.ones(6, np.float32),
    }  # fmt: skip
    weights = {"table": "table.weight", "w": "w", "b": "b", "g": "g"}
    return Graph(
        "ids", (embedding, *calls), tuple(Ref(o) for o in outputs), constants, weights, values
    )


def kinds(*calls: Call, outputs: tuple[str, ...], **constants: Constant) -> list[str]:
    lowered = lower_calls(graph(*calls, outputs=outputs, **constants), "Hand")
    return [item.op.kind for item in lowered.emitted]


def fault(*calls: Call, outputs: tuple[str, ...], **constants: Constant) -> str:
    with pytest.raises(LoweringError) as caught:
        lower_calls(graph(*calls, outputs=outputs, **constants), "Hand")
    return str(caught.value)


def test_the_table_needs_no_torch() -> None:
    code = (
        "import sys, edgesim.lowering, edgesim.lowering.table, edgesim.functional.float32;"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_linear_layer_keeps_its_bias() -> None:
    product = call(
        "y", "linear.default", Ref("hidden"), Ref("w"), Ref("b"), shape=(ONE, SEQUENCE, Size(4))
    )
    lowered = lower_calls(graph(product, outputs=("y",)), "Hand")
    matmul = lowered.emitted[1].op
    assert matmul.weights == ("w", "b")
    assert lowered.shapes[matmul.output] == (SEQUENCE, Size(4))
    assert lowered.outputs == (matmul.output,)


def test_views_head_splits_and_dropout_vanish() -> None:
    assert kinds(
        call("a", "view.default", Ref("hidden"), (1, -1, 3, 2),
             shape=(ONE, SEQUENCE, Size(3), Size(2))),
        call("b", "transpose.int", Ref("a"), 1, 2, shape=(ONE, Size(3), SEQUENCE, Size(2))),
        call("c", "dropout.default", Ref("b"), 0.1, False,
             shape=(ONE, Size(3), SEQUENCE, Size(2))),
        call("d", "permute.default", Ref("c"), (0, 2, 1, 3),
             shape=(ONE, SEQUENCE, Size(3), Size(2))),
        call("e", "reshape.default", Ref("d"), (1, -1, 6)),
        outputs=("e",),
    ) == ["embedding"]  # fmt: skip


def test_a_product_with_an_all_ones_mask_vanishes_and_sum_over_length_is_a_mean() -> None:
    mask = {"ones": Constant(1.0), "count": Constant(0.0, 1.0)}
    masked = call("m", "mul.Tensor", Ref("hidden"), Ref("ones"))
    total = call("t", "sum.dim_IntList", Ref("m"), (1,), shape=(ONE, WIDTH))
    mean = call("p", "div.Tensor", Ref("t"), Ref("count"), shape=(ONE, WIDTH))
    assert kinds(masked, total, mean, outputs=("p",), **mask) == ["embedding", "pool"]
    assert "a sum over tokens" in fault(masked, total, outputs=("t",), **mask)
    wrong = {"ones": Constant(1.0), "count": Constant(1.0, 1.0)}
    assert "something else than their number" in fault(masked, total, mean, outputs=("p",), **wrong)


def test_a_partial_mask_is_refused() -> None:
    masked = call("m", "mul.Tensor", Ref("hidden"), Ref("mask"))
    assert "a partial mask" in fault(masked, outputs=("m",), mask=Constant())


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (Constant(first_position=0), "position"),
        (Constant(0.0), "type"),
    ],
)
def test_an_embedding_knows_what_selects_its_rows(index: Constant, expected: str) -> None:
    rows = call("e", "embedding.default", Ref("table"), Ref("index"))
    lowered = lower_calls(graph(rows, outputs=("e",), index=index), "Hand")
    assert [item.op.index for item in lowered.emitted] == ["token", expected]


def test_an_embedding_of_other_rows_is_refused() -> None:
    rows = call("e", "embedding.default", Ref("table"), Ref("index"))
    for index in (Constant(), Constant(0.0, 1.0)):
        assert "rows chosen by something else" in fault(rows, outputs=("e",), index=index)


def test_a_weight_added_by_hand_is_not_dropped() -> None:
    shifted = call("s", "add.Tensor", Ref("hidden"), Ref("g"))
    assert "reads 'g'" in fault(shifted, outputs=("s",))


@pytest.mark.parametrize(
    ("target", "args"),
    [
        ("linear.default", (Ref("hidden"), Ref("hidden"))),
        ("layer_norm.default", (Ref("hidden"), (6,), None, None)),
        ("layer_norm.default", (Ref("hidden"), (2, 6), Ref("g"), Ref("g"))),
        ("mul.Tensor", (Ref("hidden"), Ref("other"))),
        ("add.Tensor", (Ref("hidden"), Ref("turned"))),
        ("dropout.default", (Ref("hidden"), 0.1, True)),
        ("to.dtype", (Ref("hidden"), "torch.int64")),
        ("softmax.int", (Ref("hidden"), -1)),
        ("matmul.default", (Ref("hidden"), Ref("other"))),
        ("nowhere.default", (Ref("hidden"),)),
        ("expand.default", (Ref("ids"), (1, -1, 6))),
    ],
)
def test_calls_close_to_the_known_ones_are_faults(target: str, args: tuple[Any, ...]) -> None:
    other = call("other", "embedding.default", Ref("table"), Ref("ids"))
    turned = call("turned", "transpose.int", Ref("other"), 1, 2, shape=(ONE, WIDTH, SEQUENCE))
    text = fault(other, turned, call("x", target, *args), outputs=("x",))
    assert f"aten.{target} at some.module" in text


def test_every_operator_of_the_table_is_named_in_full() -> None:
    assert all(name.count(".") == 2 or name.startswith("operator.") for name in TABLE)
