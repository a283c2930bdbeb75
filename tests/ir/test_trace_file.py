"""Trace files: whole or not at all, and one clear error for anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like

from edgesim.errors import InputError
from edgesim.ir.ops import OP_KINDS, AttentionScores, Embedding, Host, MatMul
from edgesim.ir.optrace import SCHEMA_VERSION, Layer, OpTrace, Tensor
from edgesim.ir.size import SEQUENCE, Size
from edgesim.ir.storage import write_npz
from edgesim.ir.trace_file import load_trace, save_trace, trace_content, trace_hash


def hand_made() -> OpTrace:
    weight = np.array([[1, 0, 0], [0, 2, 3]], np.float32)
    return OpTrace(
        name="hand", model_class="None",
        prologue=(Embedding("e", (), "e:out", "table", "token"),),
        layers=(
            Layer(
                1,
                (
                    AttentionScores("s", ("e:out", "e:out"), "s:out", 1, 3, 0.5, (4,)),
                    Host("h", ("e:out",), "h:out", "tanh"),
                ),
                (MatMul("m", ("h:out",), "m:out", "w", None),),
            ),
        ),
        epilogue=(), max_tokens=9, outputs=("m:out",),
        tensors={
            "table": Tensor("table", "embedding_weight", (Size(5), Size(3)), "adaptivfloat<8,3>"),
            "w": Tensor("w", "offramp_weight", (Size(2), Size(3)), None, 0.5),
            "e:out": Tensor("e:out", "activation", (SEQUENCE, Size(3)), None, 0.25, 0.125),
            "s:out": Tensor("s:out", "activation", (Size(1), SEQUENCE, SEQUENCE)),
            "h:out": Tensor("h:out", "activation", (SEQUENCE, Size(3))),
            "m:out": Tensor("m:out", "activation", (SEQUENCE, Size(2))),
        },
        masks={"w": np.packbits(weight != 0)}, activation_statistics="64 sentences",
        token_counts=np.arange(5),
    )  # fmt: skip


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "hand.trace"
    save_trace(hand_made(), path)
    return path


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    trace, loaded = hand_made(), load_trace(saved(tmp_path))
    for name in ("prologue", "layers", "epilogue", "outputs", "max_tokens", "name",
                 "model_class", "activation_statistics"):  # fmt: skip
        assert getattr(loaded, name) == getattr(trace, name), name
    assert loaded.tensors == trace.tensors
    np.testing.assert_array_equal(loaded.token_counts, trace.token_counts)
    np.testing.assert_array_equal(
        loaded.weight_mask("w"), [[True, False, False], [False, True, True]]
    )
    assert loaded.weight_mask("table").all()
    assert loaded.values is None
    assert loaded.macs(4) == 3 * 4 * 4 + 4 * 3 * 2


def test_notes_come_back_and_are_no_part_of_the_content(tmp_path: Path) -> None:
    noted = replace(hand_made(), notes=("the pooler is left out", "weights are bfloat16"))
    save_trace(noted, tmp_path / "t.npz")
    assert load_trace(tmp_path / "t.npz").notes == noted.notes
    assert trace_hash(noted) == trace_hash(hand_made())


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    assert [path.name for path in saved(tmp_path).parent.iterdir()] == ["hand.trace"]
    with pytest.raises(InputError, match="does not exist"):
        save_trace(hand_made(), tmp_path / "nowhere" / "t.trace")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_trace_is_an_input_error(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"hand\.trace.*truncated"):
        load_trace(path)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_never_ends_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = saved(tmp_path_factory.mktemp("damaged"))
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= change
    path.write_bytes(bytes(content))
    with suppress(InputError):
        load_trace(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_a_file_of_another_kind_is_an_input_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable trace"):
        load_trace(path)
    with pytest.raises(InputError, match="no such trace file"):
        load_trace(tmp_path / "missing")


def test_an_array_file_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(3))
    with pytest.raises(InputError, match="not a readable trace"):
        load_trace(path)


@pytest.mark.parametrize(
    "meta",
    [
        {"kind": "workload", "schema_version": SCHEMA_VERSION},
        {"kind": "trace", "schema_version": SCHEMA_VERSION + 1},
        {"kind": "trace", "schema_version": SCHEMA_VERSION},
        ["kind", "trace"],
    ],
)
def test_another_kind_schema_or_an_incomplete_header_is_an_input_error(
    meta: object, tmp_path: Path
) -> None:
    path = tmp_path / "t.trace"
    write_npz(path, meta, {})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"t\.trace"):
        load_trace(path)


def test_every_op_kind_can_be_stored() -> None:
    assert all(json.dumps(kind) and cls.kind == kind for kind, cls in OP_KINDS.items())


@given(st.integers(0, 10**6), st.integers(0, 10**4))
def test_a_size_comes_back_from_its_text(fixed: int, per_token: int) -> None:
    size = Size(fixed, per_token)
    assert Size.from_json(size.to_json()) == size
    assert size.at(7) == fixed + 7 * per_token


@pytest.mark.parametrize("text", ["", "s", "S*2", "-S", "S+", "2*", "1.5*S"])
def test_any_other_text_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match="expected a number"):
        Size.from_json(text)


def test_a_context_over_missing_heads_survives_and_others_are_stored_as_before(
    tmp_path: Path,
) -> None:
    trace = bert_like(BertShape(layers=1))
    (context,) = (op for op in trace.layers[0].ops if op.kind == "attention_context")
    assert "present" not in json.dumps(trace_content(trace)[0])
    wider = replace(context, present=(True, False, True, True, True))
    ops = tuple(wider if op is context else op for op in trace.layers[0].ops)
    sizes = {"layer1.context.out": (SEQUENCE, Size(80)), "layer1.mix.weight": (Size(64), Size(80))}
    wide = {name: replace(trace.tensors[name], shape=shape) for name, shape in sizes.items()}
    layers = (replace(trace.layers[0], ops=ops),)
    changed = replace(trace, layers=layers, tensors={**trace.tensors, **wide})
    save_trace(changed, tmp_path / "t.npz")
    assert load_trace(tmp_path / "t.npz").layers[0].ops == ops
