"""Lowering with its proof: `es.lower`."""

from __future__ import annotations

from typing import Any

from edgesim.ir.optrace import OpTrace
from edgesim.pipeline.proof import proved


def lower_model(
    model: Any, example_inputs: Any = None, *, prove: bool = True,
    **options: Any,
) -> OpTrace:  # fmt: skip
    """The op trace of a `torch.nn.Module` or of an `ExportedProgram`, proved against it.

    Options and inputs are those of `edgesim.lowering.lower`; an exported program brings its own
    example inputs. The proof plays the trace in float32 on the caller's sentence, a short one and
    one of min(max_tokens, 512) tokens, and compares every output with the module's; `prove=False`
    leaves it out, for models too large to run twice, and reports then say so.

    Raises LoweringError for what is not understood and for a trace that departs from its module,
    InputError for inputs that are missing or do not fit.
    """
    from edgesim.lowering import lower

    lowered = lower(model, example_inputs, **options)
    return proved(lowered) if prove else lowered.trace
