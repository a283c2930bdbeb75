"""Saving and loading an OpTrace: ops and tensors as JSON, weight masks packed."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.ir.declared import kind_of_json, read_fields, shown_faults
from edgesim.ir.ops import OP_KINDS, Op
from edgesim.ir.optrace import SCHEMA_VERSION, Layer, OpTrace, Tensor
from edgesim.ir.proof import Proof
from edgesim.ir.storage import content_hash, read_npz, write_npz
from edgesim.ir.trace_check import MOST_OPS, trace_faults


def _op_to_json(op: Op) -> dict[str, Any]:
    record: dict[str, Any] = {"kind": op.kind}
    for entry in fields(op):
        value = getattr(op, entry.name)
        if entry.default is not MISSING and value == entry.default:
            continue
        record[entry.name] = list(value) if isinstance(value, tuple) else value
    return record


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    record = {entry.name: getattr(tensor, entry.name) for entry in fields(tensor)}
    record["shape"] = [size.to_json() for size in tensor.shape]
    return record


def trace_content(trace: OpTrace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a trace that its hash covers: no weight values, proof or notes."""
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
    """Write a trace without weight values; the file appears whole or not at all.

    Raises InputError for a trace that `load_trace` would refuse.
    """
    if faults := trace_faults(trace):
        raise InputError(f"{path}: not written: {shown_faults(faults)}")
    meta, columns = trace_content(trace)
    if trace.proof is not None:
        meta["proof"] = asdict(trace.proof)
    if trace.notes:
        meta["notes"] = list(trace.notes)
    write_npz(Path(path), meta, columns)


def trace_hash(trace: OpTrace) -> str:
    """SHA-256 of what `save_trace` stores, compression, proof and notes aside."""
    return content_hash(*trace_content(trace))


def load_trace(path: str | Path) -> OpTrace:
    """Read a saved trace; InputError for a missing, damaged or foreign file.

    Every field is checked against its declared type, and the ops against the shapes of their
    tensors and the limits of `trace_check`.
    """
    meta, columns = read_npz(Path(path), "trace", SCHEMA_VERSION)
    faults: list[str] = []
    header = read_fields(_Header, meta, "", faults)
    faults = faults or _count_faults(header)
    if faults:
        raise _damaged(path, faults)
    trace = OpTrace(
        **{key: value for key, value in header.items() if key not in _PARTS},
        prologue=_ops(header["prologue"], "prologue", faults),
        layers=tuple(_layer(r, f"layers[{i}]", faults) for i, r in enumerate(header["layers"])),
        epilogue=_ops(header["epilogue"], "epilogue", faults),
        tensors={tensor.name: tensor for tensor in header["tensors"]},
        masks={k[5:]: v for k, v in columns.items() if k.startswith("mask:")},
        token_counts=columns.get("token_counts"),
    )
    if faults := faults or trace_faults(trace):
        raise _damaged(path, faults)
    return trace


@dataclass(frozen=True)
class _Header:
    """The JSON header of a trace; ops differ by kind, so they are read one by one."""

    name: str
    model_class: str
    max_tokens: int
    outputs: tuple[str, ...]
    activation_statistics: str | None
    prologue: tuple[Any, ...]
    layers: tuple[Any, ...]
    epilogue: tuple[Any, ...]
    tensors: tuple[Tensor, ...]
    calibration: str | None = None
    zeros_profile: str | None = None
    zeros_vector_size: int | None = None
    proof: Proof | None = None
    notes: tuple[str, ...] = ()


def _count_faults(header: dict[str, Any]) -> list[str]:
    """More ops than `load_trace` reads, told before they are read."""
    parts = [header["prologue"], header["epilogue"]]
    parts += [r.get(k) for r in header["layers"] if isinstance(r, dict) for k in ("ops", "ramp")]
    count = sum(len(part) for part in parts if isinstance(part, list | tuple))
    return [f"{count} ops; allowed are {MOST_OPS}"] if count > MOST_OPS else []


_PARTS = ("prologue", "layers", "epilogue", "tensors")


def _layer(record: Any, where: str, faults: list[str]) -> Layer:
    if not isinstance(record, dict) or not {"index", "ops", "ramp"} <= record.keys():
        faults.append(f"{where}: holds {kind_of_json(record)}; index, ops and ramp are wanted")
        return Layer(0, ())
    ops, ramp = (_ops(record[part], f"{where}.{part}", faults) for part in ("ops", "ramp"))
    return Layer(record["index"], ops, ramp)


def _ops(records: Any, where: str, faults: list[str]) -> tuple[Op, ...]:
    """Ops from JSON; what is wrong is appended to `faults`."""
    if not isinstance(records, list | tuple):
        faults.append(f"{where}: holds {kind_of_json(records)}; a list of ops is wanted")
        return ()
    ops = []
    for i, record in enumerate(records):
        at, before = f"{where}[{i}]", len(faults)
        kind = record.get("kind") if isinstance(record, dict) else None
        cls = OP_KINDS.get(kind) if isinstance(kind, str) else None
        if cls is None:
            faults.append(f"{at}: kind {kind_of_json(kind)}; allowed: {', '.join(OP_KINDS)}")
            continue
        values = read_fields(cls, record, f"{at}.", faults)
        if len(faults) == before:
            ops.append(cls(**values))
    return tuple(ops)


def _damaged(path: str | Path, faults: list[str]) -> InputError:
    return InputError(f"{path}: {shown_faults(faults)}; write the trace anew (edgesim lower)")
