"""Lowering a `.pt2` file: a model that was exported with a dynamic length and saved by torch."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree

from edgesim.errors import InputError
from edgesim.lowering.assemble import TraceOptions
from edgesim.lowering.example import ExampleInputs, example_of
from edgesim.lowering.export import quiet
from edgesim.lowering.functionalise import functionalised
from edgesim.lowering.lowering import Lowered, lower_program
from edgesim.lowering.module_run import run_program
from edgesim.lowering.pt2_check import check_archive
from edgesim.lowering.reference import Reference

_MAX_LIMIT = 2**31


def lower_pt2(path: Path, name: str | None = None, keep_output_projection: bool = False) -> Lowered:
    """The op trace of an archive of `torch.export.save`, batch 1 and dynamic length, unproved.

    The archive is checked before torch reads it, see `pt2_check`. Raises InputError for a file
    that is no such archive, holds more than a plain model, or has a static length; LoweringError
    for operations that are not understood.
    """
    options = TraceOptions(
        name=name or path.stem, model_class="", keep_output_projection=keep_output_projection
    )
    return lower_exported(load_pt2(path), str(path), options)


def lower_exported(program: ExportedProgram, where: str, options: TraceOptions) -> Lowered:
    """The op trace of an exported program; `where` names it in errors."""
    options = replace(options, model_class=_model_class(program))
    program = functionalised(program, options.model_class)
    example = _example(program, where)
    trace, origins = lower_program(program, example, options)
    reference = Reference(
        options.model_class, lambda arguments: run_program(program, arguments), program, example,
        origins,
    )  # fmt: skip
    return Lowered(trace, reference)


def load_pt2(path: Path) -> ExportedProgram:
    """The program of a checked archive; InputError where torch cannot read it."""
    content = path.read_bytes()
    check_archive(content, str(path))
    import transformers.modeling_outputs  # noqa: F401  # output types that programs name

    with quiet():
        try:
            return torch.export.load(io.BytesIO(content))
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"{path}: torch {torch.__version__} cannot read it ({type(error).__name__}: "
                f"{reason}); export and save the model with this version"
            ) from None


def _example(program: ExportedProgram, where: str) -> ExampleInputs:
    """The program's example inputs, and which of their axes count tokens."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    arguments: dict[str, Any] = {}
    axes: dict[str, tuple[int, ...]] = {}
    given = _pytree.tree_flatten(program.example_inputs or ((), {}))[0]
    specs = [s for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    if len(given) != len(specs):
        raise InputError(
            f"{where}: the archive holds {len(given)} example inputs of {len(specs)}; save it with "
            "torch.export.save as torch.export.export returned it"
        )
    for spec, value in zip(specs, given, strict=True):
        arguments[spec.arg.name] = value
        traced = nodes[spec.arg.name].meta.get("val")
        if isinstance(value, Tensor) and isinstance(traced, Tensor):
            dynamic = enumerate(traced.shape)
            axes[spec.arg.name] = tuple(a for a, n in dynamic if not isinstance(n, int))
    token_ids = "input_ids" if "input_ids" in axes else next(iter(axes), "")
    if not token_ids:
        raise InputError(f"{where}: the exported model takes no tensor")
    traced = nodes[token_ids].meta["val"]
    shape = _shape(traced, token_ids, where)
    limit = _limit(program, traced)
    if not traced.is_floating_point():
        return example_of(arguments, token_ids, limit, axes)
    arguments[token_ids] = arguments[token_ids].float()
    return example_of(arguments, token_ids, limit, axes, shape)


def _shape(tensor: Tensor, name: str, where: str) -> tuple[int | None, ...]:
    """Shape with None at the tokens; InputError unless that axis alone is dynamic, at batch 1."""
    shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
    leading = shape[:-1] if tensor.is_floating_point() else shape
    fix = (
        f"export one sentence with dynamic_shapes={{{name!r}: "
        "{1: torch.export.Dim('S', min=2, max=512)}}"
    )
    if None not in shape:
        raise InputError(f"{where}: {name} has the static shape {shape}; {fix}")
    if sorted(leading, key=str) not in ([1, None], [None]) or len(shape) == 1:
        stated = ", ".join("?" if size is None else str(size) for size in shape)
        raise InputError(
            f"{where}: {name} has the shape ({stated}), ? being dynamic; wanted is batch 1 and a "
            f"dynamic length; {fix}"
        )
    return shape


def _limit(program: ExportedProgram, tensor: Tensor) -> int | None:
    """Longest sentence that the export allows; None where it states no limit."""
    symbol = next(size for size in tensor.shape if not isinstance(size, int)).node.expr  # type: ignore[attr-defined]
    bounds = program.range_constraints.get(symbol)
    upper = None if bounds is None else bounds.upper
    if upper is None or not getattr(upper, "is_Integer", False) or int(upper) >= _MAX_LIMIT:
        return None
    return int(upper)


def _model_class(program: ExportedProgram) -> str:
    """Class of the exported module, with that of the encoder inside it in brackets."""
    outer, inner = "ExportedProgram", ""
    for node in program.graph.nodes:
        for path, kind in (node.meta.get("nn_module_stack") or {}).values():
            if "_from_metadata_hook" in path:
                continue
            kind_name = str(kind).rpartition(".")[2]
            if path == "":
                outer = kind_name
            elif path.count(".") == 0 and kind_name.endswith("Model"):
                inner = inner or kind_name
    return f"{outer}({inner})" if inner else outer
