"""`lower`: from a trained PyTorch module to an OpTrace. torch is loaded on the first call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import EdgesimError, InputError, LoweringError
from edgesim.ir.optrace import OpTrace
from edgesim.lowering.assemble import TraceOptions, assemble
from edgesim.lowering.idle_heads import without_idle_heads
from edgesim.lowering.table import lower_calls

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

    from edgesim.lowering.example import ExampleInputs
    from edgesim.lowering.reference import Reference

UNLIMITED_TOKENS = int(np.iinfo(np.int32).max)
"""`max_tokens` of a model without position table and without a stated limit."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """A trace with the module that it must agree with."""

    trace: OpTrace
    reference: Reference


def lower(
    model: nn.Module | ExportedProgram,
    example_inputs: Any = None,
    *,
    name: str | None = None,
    weight_format: str | None = None,
    activation_format: str | None = None,
    token_counts: NDArray[np.int64] | None = None,
    keep_output_projection: bool = False,
) -> Lowered:
    """The op trace of a module in evaluation mode, for one sentence of any length, unproved.

    Calls whose result no output needs, such as an unused pooler, are not part of the trace, nor
    are heads whose mask hides every token: their rows of query, key and value, their scores,
    softmax and context, and their columns of the output projection.

    Parameters
    ----------
    model
        BERT-like encoder with or without pooler, classifier or off-ramps (`ramps.<i>` behind
        encoder layer i+1), or `torch.nn.TransformerEncoder`. Its modes and weights are left as
        they are; weights of another precision are lowered as float32.
    example_inputs
        Tensor of token ids, tuple, dictionary or tokenizer output; None makes up token ids. The
        first sentence of a batch is taken without its padding. Other arguments keep the values
        that were given: constants and positions are part of the trace, whole numbers that differ
        from token to token are token types. A model without embeddings takes a floating-point
        tensor, batch first or as its attention states; its trace begins with an `input` op, a
        tensor that arrives through storage.
    name
        Name of the trace; None takes the model's class.
    weight_format, activation_format
        Number formats such as `adaptivfloat<8,3>`; None leaves the choice to the chip.
    token_counts
        Occurrences of each token id in training text, (vocabulary,).
    keep_output_projection
        Leave the product behind attention at full width where heads are taken out.

    Raises LoweringError that names the operations not understood, with their module paths, and
    InputError for inputs that are missing and for weights with NaN or infinity.
    """
    from torch import nn
    from torch.export import ExportedProgram

    from edgesim.lowering.example import read_example, special_ids
    from edgesim.lowering.export import export_model
    from edgesim.lowering.module_kinds import checked_module
    from edgesim.lowering.module_run import in_float32, run_module
    from edgesim.lowering.reference import Reference
    from edgesim.lowering.unwrap import unwrapped

    plain = unwrapped(model)
    options = TraceOptions(
        name=name, model_class=_model_class(plain), weight_format=weight_format,
        activation_format=activation_format, token_counts=token_counts,
        keep_output_projection=keep_output_projection,
    )  # fmt: skip
    if isinstance(plain, ExportedProgram):
        return _lower_exported(plain, example_inputs, options)
    if not isinstance(plain, nn.Module):
        raise InputError(f"lower: got a {type(model).__name__}; allowed is a torch.nn.Module")
    module = in_float32(checked_module(plain))
    example = read_example(module, example_inputs)
    program, example = export_model(module, example)
    trace, origins = lower_program(program, example, options)
    reference = Reference(
        options.model_class, lambda arguments: run_module(module, arguments), program, example,
        origins, special_ids(module),
    )  # fmt: skip
    return Lowered(trace, reference)


def _lower_exported(program: ExportedProgram, inputs: Any, options: TraceOptions) -> Lowered:
    from edgesim.lowering.pt2 import lower_exported

    if inputs is not None:
        raise InputError("lower: an ExportedProgram brings its own example inputs; leave them out")
    return lower_exported(program, "ExportedProgram", options)


def lower_program(
    program: ExportedProgram, example: ExampleInputs, options: TraceOptions
) -> tuple[OpTrace, dict[str, tuple[str, str]]]:
    """The trace of an exported program, and the call and module path that every op ends."""
    from edgesim.lowering.capture import capture_program

    try:
        graph = capture_program(program, example)
        lowered = lower_calls(graph, options.model_class)
    except EdgesimError:
        raise
    except Exception as error:
        raise LoweringError(
            f"{options.model_class}: its exported graph cannot be read "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); lower the parts of "
            "the model that are plain attention, linear layers and norms"
        ) from error
    limit = example.max_tokens or UNLIMITED_TOKENS
    trace, origins = assemble(lowered, graph.values, limit, options)
    return without_idle_heads(trace, options.keep_output_projection), origins


def _model_class(model: object) -> str:
    """Class of the module, with that of the configured encoder inside it in brackets."""
    outer = type(model).__name__
    children: Iterable[object] = getattr(model, "children", tuple)()
    inner = [type(child).__name__ for child in children if type(child).__name__.endswith("Model")]
    return f"{outer}({inner[0]})" if inner else outer
