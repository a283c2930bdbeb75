"""Lowering a `.pt2` file: a model that was exported with a dynamic length and saved by torch."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind

from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace
from edgesim.lowering.assemble import TraceOptions, assemble
from edgesim.lowering.capture import capture_program
from edgesim.lowering.example import ExampleInputs, kind_of
from edgesim.lowering.functionalise import functionalised
from edgesim.lowering.idle_heads import without_idle_heads
from edgesim.lowering.lowering import UNLIMITED_TOKENS
from edgesim.lowering.pt2_check import check_archive
from edgesim.lowering.table import lower_calls

_MAX_LIMIT = 2**31


def lower_pt2(path: Path, name: str | None = None, keep_output_projection: bool = False) -> OpTrace:
    """The op trace of an archive of `torch.export.save`, batch 1 and dynamic length.

    The archive is checked before torch reads it, see `pt2_check`; the program is not run. Raises
    InputError for a file that is no such archive, holds more than a plain model, or has a static
    length; LoweringError for operations that are not understood.
    """
    program = load_pt2(path)
    model_class = _model_class(program)
    program = functionalised(program, model_class)
    example = _example(program, str(path))
    graph = capture_program(program, example)
    options = TraceOptions(name=name or path.stem, model_class=model_class)
    limit = example.max_tokens or UNLIMITED_TOKENS
    trace = assemble(lower_calls(graph, model_class), graph.values, limit, options)
    return without_idle_heads(trace, keep_output_projection)


def load_pt2(path: Path) -> ExportedProgram:
    """The program of a checked archive; InputError where torch cannot read it."""
    content = path.read_bytes()
    check_archive(content, str(path))
    import transformers.modeling_outputs  # noqa: F401  # output types that programs name

    with _quiet():
        try:
            return torch.export.load(io.BytesIO(content))
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"{path}: torch {torch.__version__} cannot read it ({type(error).__name__}: "
                f"{reason}); export and save the model with this version"
            ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's log lines about files that it cannot read; the error says it."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _example(program: ExportedProgram, where: str) -> ExampleInputs:
    """What the program's inputs mean, told by name and type."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    arguments: dict[str, Any] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            constant = isinstance(spec.arg, ConstantArgument)
            arguments[spec.arg.name] = (
                spec.arg.value if constant else nodes[spec.arg.name].meta.get("val")
            )
    tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
    token_ids = "input_ids" if "input_ids" in tensors else next(iter(tensors), "")
    if not token_ids:
        raise InputError(f"{where}: the exported model takes no tensor")
    unknown = [name for name in tensors if kind_of(name, token_ids) is None]
    if unknown:
        raise InputError(
            f"{where}: input {', '.join(unknown)}; allowed are token ids or an input tensor, and "
            "masks, token types and positions by these names; export without it"
        )
    shape = _shape(tensors[token_ids], token_ids, where)
    is_input_tensor = tensors[token_ids].is_floating_point()
    plain = {n: torch.zeros(1) if n in tensors else value for n, value in arguments.items()}
    limit = _limit(program, tensors[token_ids])
    return ExampleInputs(token_ids, plain, limit, shape if is_input_tensor else None)


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
