"""Saving and loading an OpTrace: ops and tensors as JSON, weight masks packed."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.ir.ops import OP_KINDS, Op
from edgesim.ir.optrace import SCHEMA_VERSION, Layer, OpTrace, Tensor
from edgesim.ir.size import Size
from edgesim.ir.storage import content_hash, read_npz, write_npz


def _op_to_json(op: Op) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": op.kind}
    for entry in fields(op):
        value = getattr(op, entry.name)
        if entry.default is not MISSING and value == entry.default:
            continue
        record[entry.name] = list(value) if isinstance(value, tuple) else value
    return record


def _op_from_json(record: dict[str, Any]) -> Op:
    given = {k: v for k, v in record.items() if k != "kind"}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return OP_KINDS[record["kind"]](**values)


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    record = {entry.name: getattr(tensor, entry.name) for entry in fields(tensor)}
    record["shape"] = [size.to_json() for size in tensor.shape]
    return record


def _tensor_from_json(record: dict[str, Any]) -> Tensor:
    return Tensor(**{**record, "shape": tuple(Size.from_json(s) for s in record["shape"])})


def trace_content(trace: OpTrace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a trace as they are stored: no weight values."""
    meta = {
        "kind": "trace", "schema_version": SCHEMA_VERSION, "name": trace.name,
        "model_class": trace.model_class, "max_tokens": trace.max_tokens,
        "outputs": list(trace.outputs), "activation_statistics": trace.activation_statistics,
        "calibration": trace.calibration,
        "prologue": [_op_to_json(op) for op in trace.prologue],
        "layers": [
            {
                "index": layer.index,
                "ops": [_op_to_json(op) for op in layer.ops],
                "ramp": [_op_to_json(op) for op in layer.ramp],
            }
            for layer in trace.layers
        ],
        "epilogue": [_op_to_json(op) for op in trace.epilogue],
        "tensors": [_tensor_to_json(t) for t in trace.tensors.values()],
    }  # fmt: skip
    if trace.zeros_profile is not None:
        meta["zeros_profile"] = trace.zeros_profile
        meta["zeros_vector_size"] = trace.zeros_vector_size
    columns: dict[str, Any] = {f"mask:{name}": packed for name, packed in trace.masks.items()}
    if trace.token_counts is not None:
        columns["token_counts"] = trace.token_counts
    return meta, columns


def save_trace(trace: OpTrace, path: str | Path) -> None:
    """Write a trace without weight values; the file appears whole or not at all."""
    write_npz(Path(path), *trace_content(trace))


def trace_hash(trace: OpTrace) -> str:
    """SHA-256 of what `save_trace` stores, compression aside."""
    return content_hash(*trace_content(trace))


def load_trace(path: str | Path) -> OpTrace:
    """Read a saved trace; InputError for a missing, damaged or foreign file."""
    meta, columns = read_npz(Path(path), "trace", SCHEMA_VERSION)
    try:
        tensors = [_tensor_from_json(record) for record in meta["tensors"]]
        return OpTrace(
            name=meta["name"], model_class=meta["model_class"], max_tokens=meta["max_tokens"],
            outputs=tuple(meta["outputs"]), activation_statistics=meta["activation_statistics"],
            calibration=meta.get("calibration"), zeros_profile=meta.get("zeros_profile"),
            zeros_vector_size=meta.get("zeros_vector_size"),
            prologue=tuple(_op_from_json(r) for r in meta["prologue"]),
            layers=tuple(
                Layer(
                    r["index"],
                    tuple(_op_from_json(o) for o in r["ops"]),
                    tuple(_op_from_json(o) for o in r["ramp"]),
                )
                for r in meta["layers"]
            ),
            epilogue=tuple(_op_from_json(r) for r in meta["epilogue"]),
            tensors={t.name: t for t in tensors},
            masks={k[5:]: v for k, v in columns.items() if k.startswith("mask:")},
            token_counts=columns.get("token_counts"),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: the trace is incomplete ({error}); write it anew") from None
