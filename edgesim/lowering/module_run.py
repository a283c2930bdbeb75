"""Running a module, or an exported program, as it was given: evaluation mode, float32, no trace."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree

from edgesim.errors import LoweringError

_HALF = (torch.float16, torch.bfloat16)
Observer = Callable[[str, Any], None]


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within; modes and plain tensor attributes restored after.

    Pruning hooks recompute such attributes in the forward.
    """
    modules = list(model.modules())
    modes = [module.training for module in modules]
    attributes = [
        {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        for module in modules
    ]
    try:
        model.eval()
        yield
    finally:
        for module, mode, kept in zip(modules, modes, attributes, strict=True):
            module.training = mode
            vars(module).update(kept)


@contextmanager
def attributes_restored(model: nn.Module) -> Iterator[None]:
    """All attributes, and what lists and dictionaries among them hold, restored after.

    An export runs the forward on stand-ins, which a forward that caches leaves in its module.
    """
    kept: list[tuple[Any, Any]] = [(vars(m), dict(vars(m))) for m in model.modules()]
    kept += [(v, v.copy()) for _, own in kept for v in own.values() if isinstance(v, dict | list)]
    try:
        yield
    finally:
        for held, before in kept:
            _restore(held, before)


def _restore(held: Any, before: Any) -> None:
    """Give a list or dictionary its former entries, in place; one that has them is not touched."""
    entries = held.items() if isinstance(held, dict) else enumerate(held)
    former = before.items() if isinstance(before, dict) else enumerate(before)
    if [(k, id(v)) for k, v in entries] == [(k, id(v)) for k, v in former]:
        return
    held.clear()
    held.update(before) if isinstance(held, dict) else held.extend(before)


@contextmanager
def plain_attention() -> Iterator[None]:
    """Without the fused fast path of `torch.nn` encoders, whose nested tensors hide the ops."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def in_float32(model: nn.Module) -> nn.Module:
    """The module with float32 weights: itself, or a copy where it has others."""
    tensors = [*model.parameters(), *model.buffers()]
    if all(t.dtype == torch.float32 or not t.is_floating_point() for t in tensors):
        return model
    try:
        return copy.deepcopy(model).float()
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise LoweringError(
            f"{type(model).__name__}: its weights are not float32 and it cannot be copied "
            f"({first_line(error)}); call model.float() first"
        ) from error


def run_module(model: nn.Module, arguments: Mapping[str, Any]) -> list[Tensor]:
    """The tensors that a float32 module returns, in the order of `torch.export`.

    Raises LoweringError where the forward fails.
    """
    with undisturbed(model), plain_attention(), torch.no_grad():
        try:
            returned = model(**arguments)
            leaves = _pytree.tree_flatten(returned)[0]
        except Exception as error:  # a forward may raise anything
            raise LoweringError(
                f"{type(model).__name__}: its forward fails with {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error
    return [leaf.detach() for leaf in leaves if isinstance(leaf, Tensor)]


def run_program(
    program: ExportedProgram, arguments: Mapping[str, Any], observe: Observer | None = None
) -> list[Tensor]:
    """The tensors that an exported program returns, its graph executed call by call in float32.

    Only the graph's own operators are called; conversions to half precision stay in float32.
    `observe` is called with every call's name and value. Raises LoweringError where a call fails.
    """
    known = _inputs(program, arguments)
    uses = Counter(source for node in program.graph.nodes for source in node.all_input_nodes)
    output: tuple[Any, ...] = ()
    for node in program.graph.nodes:
        if node.op == "output":
            output = fx.node.map_arg(node.args[0], lambda n: known[n])
        elif node.op == "call_function":
            known[node] = _called(node, known)
            if observe is not None:
                observe(node.name, known[node])
        for source in node.all_input_nodes:
            uses[source] -= 1
            if not uses[source]:
                known.pop(source, None)
    return [leaf for leaf in _pytree.tree_flatten(output)[0] if isinstance(leaf, Tensor)]


def _inputs(program: ExportedProgram, arguments: Mapping[str, Any]) -> dict[fx.Node, Any]:
    """Values of the placeholders: weights, constants and the given arguments in their order."""
    specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    given = iter(arguments.values())
    known: dict[fx.Node, Any] = {}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        spec = specs[node.name]
        if spec.kind == InputKind.USER_INPUT:
            known[node] = next(given)
            continue
        stored = program.state_dict.get(spec.target)
        if stored is None:
            stored = program.constants.get(spec.target)
        known[node] = stored.detach() if isinstance(stored, Tensor) else stored
        if isinstance(stored, Tensor) and stored.is_floating_point():
            known[node] = known[node].float()
    return known


def _called(node: fx.Node, known: Mapping[fx.Node, Any]) -> Any:
    target: Any = node.target
    args, kwargs = fx.node.map_aggregate((node.args, dict(node.kwargs)), _full_precision)
    args, kwargs = fx.node.map_arg((args, kwargs), lambda n: known[n])
    try:
        with torch.no_grad():
            return target(*args, **kwargs)
    except Exception as error:  # an operator may raise anything
        raise LoweringError(
            f"the exported program fails at {node.name} ({target}): {first_line(error)}"
        ) from error


def _full_precision(argument: Any) -> Any:
    """float32 in place of a half-precision type."""
    is_half = isinstance(argument, torch.dtype) and argument in _HALF
    return torch.float32 if is_half else argument


def first_line(error: Exception) -> str:
    """First line of an error's message, cut at 200 characters."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[0][:200] if lines else "no message"
