"""A trace executed on one sentence: `es.execute`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.batch import batches
from edgesim.functional.execution import Arithmetic, execute_batch
from edgesim.functional.float32 import float32_arithmetic
from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32
from edgesim.pipeline.arithmetic import arithmetic_on

DEFAULT_CHIP = "edgebert-n16"


def execute(
    trace: OpTrace, token_ids: ArrayLike, token_types: ArrayLike | None = None, *,
    arithmetic: str = FLOAT32, chip: Chip | str = DEFAULT_CHIP,
) -> dict[str, NDArray[np.float32]]:  # fmt: skip
    """Outputs of a trace for one sentence by name, in the order in which the module returns them.

    Parameters
    ----------
    token_ids
        (tokens,) whole numbers; for a trace without embeddings the input tensor, (tokens, width).
    token_types
        (tokens,) whole numbers for an embedding of token types; None is type 0 throughout.
    arithmetic
        `float32`, `chip` (that of `chip`) or `edgebert-hls-as-released`.
    chip
        Name or description of an accelerator; only `chip` arithmetic reads it.

    Raises InputError for a trace without weight values (a saved one holds masks only), for ids or
    types out of range, and for an arithmetic that cannot execute the trace.
    """
    description = load_chip(chip) if isinstance(chip, str) else chip
    if arithmetic != FLOAT32 and not isinstance(description, AcceleratorSpec):
        raise InputError(
            f"execute: {description.name} is no accelerator; arithmetic {arithmetic!r} is that of "
            "one, name such a chip or use arithmetic='float32'"
        )
    float32_arithmetic(trace)  # refuses a trace without values
    executed: Arithmetic = arithmetic_on(trace, description, arithmetic)
    types = None if token_types is None else [token_types]
    ((_, batch),) = batches(trace, [token_ids], token_types=types)
    tensors = execute_batch(trace, batch, executed)
    return {
        name: np.asarray(executed.values(tensors[name])[0], dtype=np.float32)
        for name in trace.outputs
    }
