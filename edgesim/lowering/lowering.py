"""`lower`: from a trained PyTorch module to an OpTrace. torch is loaded on the first call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace
from edgesim.lowering.assemble import TraceOptions, assemble
from edgesim.lowering.idle_heads import without_idle_heads
from edgesim.lowering.table import lower_calls

if TYPE_CHECKING:
    from torch import nn

UNLIMITED_TOKENS = int(np.iinfo(np.int32).max)
"""`max_tokens` of a model without position table and without a stated limit."""


def lower(
    model: nn.Module,
    example_inputs: Any = None,
    *,
    name: str | None = None,
    weight_format: str | None = None,
    activation_format: str | None = None,
    token_counts: NDArray[np.int64] | None = None,
    keep_output_projection: bool = False,
) -> OpTrace:
    """The op trace of a module in evaluation mode, for one sentence of any length.

    Calls whose result no output needs, such as an unused pooler, are not part of the trace, nor
    are heads whose mask hides every token: their rows of query, key and value, their scores,
    softmax and context, and their columns of the output projection.

    Parameters
    ----------
    model
        BERT-like encoder with or without pooler, classifier or off-ramps (`ramps.<i>` behind
        encoder layer i+1), or `torch.nn.TransformerEncoder`. Its modes and weights are left as
        they are.
    example_inputs
        Tensor of token ids, tuple, dictionary or tokenizer output; None builds one. The batch
        becomes one row, masks all ones (a sentence has its own length), types all zeros. A model
        without embeddings takes a floating-point tensor, batch first or as its attention states;
        its trace begins with an `input` op, a tensor that arrives through storage.
    name
        Name of the trace; None takes the model's class.
    weight_format, activation_format
        Number formats such as `adaptivfloat<8,3>`; None leaves the choice to the chip.
    token_counts
        Occurrences of each token id in training text, (vocabulary,).
    keep_output_projection
        Leave the product behind attention at full width where heads are taken out.

    Raises LoweringError that names every operation not understood, with its module path, and
    InputError for inputs of unknown meaning and for weights with NaN or infinity.
    """
    options = TraceOptions(
        name=name, model_class=_model_class(model), weight_format=weight_format,
        activation_format=activation_format, token_counts=token_counts,
    )  # fmt: skip
    return without_idle_heads(_lower(model, example_inputs, options), keep_output_projection)


def _lower(model: Any, example_inputs: Any, options: TraceOptions) -> OpTrace:
    from torch import nn

    from edgesim.lowering.capture import capture

    if not isinstance(model, nn.Module):
        raise InputError(f"lower: got a {type(model).__name__}; allowed is a torch.nn.Module")
    graph, limit = capture(model, example_inputs)
    lowered = lower_calls(graph, options.model_class)
    return assemble(lowered, graph.values, limit or UNLIMITED_TOKENS, options)


def _model_class(model: nn.Module) -> str:
    """Class of the module, with that of the configured encoder inside it in brackets."""
    outer = type(model).__name__
    children: Iterable[object] = getattr(model, "children", tuple)()
    inner = [type(child).__name__ for child in children if type(child).__name__.endswith("Model")]
    return f"{outer}({inner[0]})" if inner else outer
