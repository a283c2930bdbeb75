"""Programs that write in place, rewritten without: `x += y` becomes `x = x + y`."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edgesim.errors import LoweringError

_WRITES_NOTHING = "aten.detach_.default"
_KEPT = {
    "BUFFER_MUTATION": "buffer", "PARAMETER_MUTATION": "parameter",
    "USER_INPUT_MUTATION": "input",
}  # fmt: skip


def functionalised(program: ExportedProgram, model_class: str) -> ExportedProgram:
    """The same program without writes in place; a program that has none is returned as it is.

    Operators stay whole (`linear`, `layer_norm`, `softmax`, attention …): the table of
    decompositions is empty. Raises LoweringError for a forward that changes its inputs, a
    parameter, a buffer or another tensor of the module: a trace keeps nothing between sentences.
    """
    writes = [node for node in program.graph.nodes if _writes(node)]
    if writes:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                program = program.run_decompositions({})
        except Exception as error:
            reason = " ".join(str(error).split()).partition(". ")[0]
            raise LoweringError(
                f"{model_class}: torch cannot rewrite the writes in place ({_places(writes)}): "
                f"{reason or type(error).__name__}; write x = x + y in place of x += y, and keep "
                "no state in the forward"
            ) from error
    _check_no_state(program, writes, model_class)
    return program


def _writes(node: fx.Node) -> bool:
    """Whether a node changes one of its arguments."""
    target: Any = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and target._schema.is_mutable
        and str(target) != _WRITES_NOTHING
    )


def _places(writes: list[fx.Node]) -> str:
    """Each write with the path of its module, once."""
    places: list[str] = []
    for node in writes:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        places.append(f"{node.target} at {stack[-1][0] if stack else ''}".removesuffix(" at "))
    return ", ".join(dict.fromkeys(places))


def _check_no_state(program: ExportedProgram, writes: list[fx.Node], model_class: str) -> None:
    """Raise LoweringError if the forward changes what outlives it."""
    changed = [
        f"{_KEPT[spec.kind.name]} {spec.target}"
        for spec in program.graph_signature.output_specs
        if spec.kind.name in _KEPT
    ]
    if changed:
        where = f" ({_places(writes)})" if writes else ""
        raise LoweringError(
            f"{model_class}: the forward changes its {', '.join(changed)} in place{where}; a trace "
            "keeps nothing between sentences: compute on a copy (.clone()), or make the change "
            "while self.training only"
        )
