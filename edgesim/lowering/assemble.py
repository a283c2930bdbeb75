"""From lowered calls to an OpTrace: layers, off-ramps, names, tensors and weight masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError, LoweringError
from edgesim.ir.ops import AttentionScores, Embedding, Entropy, ExitCheck, Op
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.size import Size
from edgesim.lowering.builder import Emitted
from edgesim.lowering.table import LoweredCalls

_LAYER = re.compile(
    r"(?:^|\.)(?:encoder\.layer|transformer\.layer|albert_layer_groups\.\d+\.albert_layers)\.\d+$"
)
_ANY_LAYER = re.compile(r"(?:^|\.)layers\.\d+$")
_RAMP = re.compile(r"(?:^|\.)ramps\.(\d+)$")


@dataclass(frozen=True)
class _Placed:
    """An op with its place: section `layer`, `ramp` or `outside`, and the 1-based layer."""

    op: Op
    path: str
    section: str
    layer: int
    call: str = ""
    """Name of the call that emitted the op; empty for what is added behind an off-ramp."""


@dataclass(frozen=True)
class TraceOptions:
    """What a trace holds beside the graph."""

    name: str | None
    """None takes the model's class."""
    model_class: str
    weight_format: str | None = None
    activation_format: str | None = None
    token_counts: NDArray[np.int64] | None = None
    keep_output_projection: bool = False
    """Whether the product behind attention stays whole where heads see nothing."""


def assemble(
    lowered: LoweredCalls,
    weights: Mapping[str, NDArray[np.float32]],
    max_tokens: int,
    options: TraceOptions,
) -> tuple[OpTrace, dict[str, tuple[str, str]]]:
    """The trace of a model, and by op name the call that the op ends with its module path.

    Raises InputError for weights that are not finite.

    `max_tokens` is the longest sentence the model states; a shorter position table lowers it.
    """
    placed = _place(lowered.emitted)
    placed, shapes = _add_exits(placed, lowered.shapes)
    placed, renamed = _rename(placed)
    outputs = tuple(renamed[name] for name in lowered.outputs)
    classes = _weight_classes(placed)
    known = {**weights, **lowered.sliced}
    values = {name: _frozen(known[name]) for name in classes}
    _check_finite(values, options.model_class)
    tensors = _weight_tensors(classes, values, options)
    for provisional, name in renamed.items():
        tensors[name] = Tensor(
            name, "activation", shapes[provisional], options.activation_format
        )  # fmt: skip
    prologue, layers, epilogue = _sections(placed)
    trace = OpTrace(
        name=options.name or options.model_class.partition("(")[0],
        model_class=options.model_class, prologue=prologue, layers=layers, epilogue=epilogue,
        tensors=tensors, outputs=outputs, max_tokens=_max_tokens(placed, values, max_tokens),
        masks={n: np.packbits(v != 0) for n, v in values.items() if np.any(v == 0)},
        token_counts=_token_counts(placed, values, options.token_counts), values=values,
    )  # fmt: skip
    return trace, _origins(placed)


def _origins(placed: list[_Placed]) -> dict[str, tuple[str, str]]:
    """By op name its call and module path, of the last op that each call emitted."""
    last = {p.call: p for p in placed if p.call}
    return {p.op.name: (p.call, p.path) for p in last.values()}


def _place(emitted: Iterable[Emitted]) -> list[_Placed]:
    """Layer numbers in order of first use; a layer's module called again is a new layer."""
    emitted = tuple(emitted)
    with_attention = _paths_with_attention(emitted)
    numbers: dict[tuple[str, int], int] = {}
    placed: list[_Placed] = []
    for item in emitted:
        section, layer = "outside", len(numbers)
        for path, repeat in item.call.module_stack:
            ramp = _RAMP.search(path)
            if ramp is not None:
                section, layer = "ramp", int(ramp[1]) + 1
                break
            if _LAYER.search(path) or (_ANY_LAYER.search(path) and path in with_attention):
                section, layer = "layer", numbers.setdefault((path, repeat), len(numbers) + 1)
                break
        placed.append(_Placed(item.op, item.call.module_path, section, layer, item.call.name))
    _check_places(placed, len(numbers))
    return placed


def _paths_with_attention(emitted: Iterable[Emitted]) -> set[str]:
    """Modules around attention: a list named `layers` holds encoder layers only there."""
    return {
        path
        for item in emitted
        if isinstance(item.op, AttentionScores)
        for path, _ in item.call.module_stack
    }


def _check_places(placed: list[_Placed], num_layers: int) -> None:
    """Off-ramps belong to layers, attention lies in layers."""
    beyond = sorted({p.path for p in placed if p.section == "ramp" and p.layer > num_layers})
    if beyond:
        raise LoweringError(
            f"off-ramps {', '.join(beyond)}: the model has {num_layers} encoder layers; an "
            "off-ramp ramps.<i> belongs to layer i+1"
        )
    stray = [p.path for p in placed if p.section != "layer" and isinstance(p.op, AttentionScores)]
    if stray:
        raise LoweringError(
            f"attention outside of the encoder layers at {', '.join(stray)}; layers are told by "
            "module path: encoder.layer.<i>, transformer.layer.<i>, layers.<i> or "
            "albert_layer_groups.<g>.albert_layers.<i>"
        )


def _add_exits(
    placed: list[_Placed], shapes: Mapping[str, tuple[Size, ...]]
) -> tuple[list[_Placed], dict[str, tuple[Size, ...]]]:
    """Entropy and exit check behind the last op of every off-ramp."""
    extended, known = list(placed), dict(shapes)
    for layer in sorted({p.layer for p in placed if p.section == "ramp"}):
        last = [p for p in placed if p.section == "ramp" and p.layer == layer][-1]
        if known[last.op.output][:1] != (Size(1),):
            raise LoweringError(
                f"off-ramp at {last.path}: ends in {known[last.op.output][0].to_json()} rows; "
                "an off-ramp pools the tokens and returns one row of logits"
            )
        entropy, outcome = f"%entropy{layer}", f"%exit{layer}"
        known[entropy] = known[outcome] = (Size(1), Size(1))
        path = last.path[: last.path.index(f"ramps.{layer - 1}")] + f"ramps.{layer - 1}"
        for op in (
            Entropy("", (last.op.output,), entropy),
            ExitCheck("", (entropy,), outcome, layer),
        ):
            extended.append(_Placed(op, f"{path}.{op.kind}", "ramp", layer))
    return extended, known


def _rename(placed: list[_Placed]) -> tuple[list[_Placed], dict[str, str]]:
    """Ops named after their module paths; `path.kind` where a module yields several ops.

    A module that is applied in several layers carries `@layer`. Tensors are `<op name>:out`.
    """
    count = Counter((p.path, p.section, p.layer) for p in placed)
    layers: dict[str, set[int]] = {}
    for p in placed:
        layers.setdefault(p.path, set()).add(p.layer if p.section == "layer" else 0)
    used: Counter[str] = Counter()
    names: list[str] = []
    for p in placed:
        several = count[p.path, p.section, p.layer] > 1
        name = ".".join(filter(None, (p.path, p.op.kind if several or not p.path else "")))
        name += f"@{p.layer}" if len(layers[p.path]) > 1 else ""
        used[name] += 1
        names.append(name if used[name] == 1 else f"{name}_{used[name]}")
    renamed = {p.op.output: f"{name}:out" for p, name in zip(placed, names, strict=True)}
    return [
        replace(
            p,
            op=replace(
                p.op, name=name, inputs=tuple(renamed[i] for i in p.op.inputs),
                output=renamed[p.op.output],
            ),
        )
        for p, name in zip(placed, names, strict=True)
    ], renamed  # fmt: skip


def _weight_classes(placed: list[_Placed]) -> dict[str, str]:
    """Tensor class of every weight in order of first use; a table stays a table when tied."""
    classes: dict[str, str] = {}
    for p in placed:
        usual = "offramp_weight" if p.section == "ramp" else "encoder_weight"
        for name in p.op.weights:
            if isinstance(p.op, Embedding):
                classes[name] = "embedding_weight"
            else:
                classes.setdefault(name, usual)
    return classes


def _frozen(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    copy = np.array(weight, dtype=np.float32, order="C")
    copy.setflags(write=False)
    return copy


def _check_finite(values: Mapping[str, NDArray[np.float32]], model_class: str) -> None:
    broken = [
        f"{name} ({int(np.sum(~np.isfinite(value)))} of {value.size})"
        for name, value in values.items()
        if not np.isfinite(value).all()
    ]
    if broken:
        raise InputError(
            f"{model_class}: weights with NaN or infinity: {', '.join(broken)}; load or train "
            "the model anew"
        )


def _weight_tensors(
    classes: Mapping[str, str], values: Mapping[str, NDArray[np.float32]], options: TraceOptions
) -> dict[str, Tensor]:
    return {
        name: Tensor(
            name, tensor_class, tuple(Size(n) for n in values[name].shape),
            options.weight_format, float(np.count_nonzero(values[name]) / values[name].size),
        )
        for name, tensor_class in classes.items()
    }  # fmt: skip


def _sections(
    placed: list[_Placed],
) -> tuple[tuple[Op, ...], tuple[Layer, ...], tuple[Op, ...]]:
    """Prologue, layers with off-ramps, epilogue. What runs between layers joins the earlier."""
    in_layers = [i for i, p in enumerate(placed) if p.section == "layer"]
    first, last = (in_layers[0], in_layers[-1]) if in_layers else (len(placed), len(placed))
    prologue = tuple(p.op for p in placed[:first] if p.section != "ramp")
    epilogue = tuple(p.op for p in placed[last + 1 :] if p.section == "outside")
    body = placed[first : last + 1]
    count = max((p.layer for p in placed if p.section == "layer"), default=0)
    layers = tuple(
        Layer(
            index,
            tuple(p.op for p in body if p.section != "ramp" and p.layer == index),
            tuple(p.op for p in placed if p.section == "ramp" and p.layer == index),
        )
        for index in range(1, count + 1)
    )
    return prologue, layers, epilogue


def _max_tokens(
    placed: list[_Placed], values: Mapping[str, NDArray[np.float32]], limit: int
) -> int:
    """The least of the exported limit and the rows of the position tables."""
    tables = [p.op for p in placed if isinstance(p.op, Embedding) and p.op.index == "position"]
    return min([limit, *(len(values[op.table]) for op in tables)])


def _token_counts(
    placed: list[_Placed], values: Mapping[str, NDArray[np.float32]],
    counts: NDArray[np.int64] | None,
) -> NDArray[np.int64] | None:  # fmt: skip
    if counts is None:
        return None
    for p in placed:
        if isinstance(p.op, Embedding) and p.op.index == "token":
            rows = len(values[p.op.table])
            if np.shape(counts) != (rows,):
                raise InputError(
                    f"token_counts of shape {np.shape(counts)}; {p.op.table} has {rows} rows, "
                    "one count each"
                )
    return np.asarray(counts, dtype=np.int64)
