"""Evaluating what does not depend on tokens: masks, positions, pruned or reparametrised weights.

Such values are computed at a few sentence lengths and described by what they are, so that no
model's way of building a mask needs to be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from edgesim.ir.size import Size
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.records import Constant

_SHAPE_ONLY = frozenset(
    f"aten.{name}"
    for name in (
        "sym_size.int", "sym_numel.default", "new_ones.default", "new_zeros.default",
        "new_full.default", "new_empty.default", "ones_like.default", "zeros_like.default",
        "full_like.default", "empty_like.default",
    )
)  # fmt: skip
_SHAPE_OF_SECOND = frozenset({"aten.expand_as.default", "aten.type_as.default"})
"""Operators that read only the shape or the type of their second tensor."""
_ARGUMENT = "argument "
_LONGEST_PROBE = 1024
"""Longest sentence at which masks are evaluated: masks grow with its square."""

_DIMENSION_PROBES = (2, 3, 5, 7, 64, 131, 513, 1031, 4099, 1_000_003)
"""Lengths at which a dimension is told from a cut (min(S, 512)) and from blocks (S // 128)."""

Probe = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Known:
    """Values that need no tokens, by node name."""

    constants: Mapping[str, Constant]
    weights: Mapping[str, Tensor]


def target_name(node: fx.Node) -> str:
    """Name of the operator that a node calls."""
    target: Any = node.target
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return f"operator.{getattr(target, '__name__', target)}"


def probe_lengths(max_tokens: int | None) -> tuple[int, ...]:
    """Sentence lengths at which values are evaluated: short ones, some between, the longest."""
    longest = min(max_tokens or _LONGEST_PROBE, _LONGEST_PROBE)
    return tuple(sorted({min(n, longest) for n in (2, 3, 17, 130, longest)}))


def dimension(size: Any, symbol: Any) -> Size | None:
    """A dimension of a traced tensor as a size; None if it is not linear in the length."""
    if isinstance(size, int):
        return Size(size)
    return _linear(size.node.expr, symbol)


@lru_cache(maxsize=4096)
def _linear(expression: Any, symbol: Any) -> Size | None:
    """A sympy expression as a size, compared at lengths beyond those of usual cuts and blocks."""
    if getattr(expression, "free_symbols", {symbol}) - {symbol}:
        return None
    values = {n: int(expression.subs({symbol: n})) for n in _DIMENSION_PROBES}
    step = values[3] - values[2]
    fixed = values[2] - 2 * step
    if step < 0 or fixed < 0 or any(v != fixed + step * n for n, v in values.items()):
        return None
    return Size(fixed, step)


def _inputs(program: ExportedProgram, example: ExampleInputs, num_tokens: int) -> Probe:
    """Arguments of the forward by the name of their graph node."""
    specs = program.graph_signature.input_specs
    nodes = [spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT]
    return dict(zip(nodes, example.at(num_tokens).values(), strict=True))


def argument_nodes(program: ExportedProgram, example: ExampleInputs) -> dict[str, str]:
    """Argument of the forward by the name of its graph node."""
    specs = program.graph_signature.input_specs
    nodes = [str(spec.arg.name) for spec in specs if spec.kind == InputKind.USER_INPUT]
    return dict(zip(nodes, example.arguments, strict=True))


def node_of(program: ExportedProgram, example: ExampleInputs, argument: str) -> str:
    """Name of the graph node that holds an argument."""
    nodes = argument_nodes(program, example)
    return next(node for node, name in nodes.items() if name == argument)


def length_symbol(program: ExportedProgram, token_ids: str) -> Any:
    """The symbol that stands for the sentence length."""
    node = next(n for n in program.graph.nodes if n.op == "placeholder" and n.name == token_ids)
    return next(s for s in node.meta["val"].shape if not isinstance(s, int)).node.expr


class _Evaluator:
    """Walks over a graph once per length and keeps what it can know."""

    def __init__(self, program: ExportedProgram, example: ExampleInputs) -> None:
        self.program = program
        self.example = example
        self.token_ids = node_of(program, example, example.token_ids)
        self.symbol = length_symbol(program, self.token_ids)
        self.arguments = argument_nodes(program, example)
        self.depends: dict[str, frozenset[str]] = {}
        """What each value depends on: `tokens`, `weights`, `length`, `argument <name>`."""

    def run(self, num_tokens: int) -> Probe:
        """Known values of every node for one length."""
        known: Probe = {}
        specs = {spec.arg.name: spec for spec in self.program.graph_signature.input_specs}
        inputs = _inputs(self.program, self.example, num_tokens)
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, specs[node.name], inputs, known)
            elif node.op == "call_function":
                self._call(node, num_tokens, known)
        return known

    def _placeholder(self, node: fx.Node, spec: Any, inputs: Probe, known: Probe) -> None:
        depends: frozenset[str] = frozenset()
        if spec.kind == InputKind.USER_INPUT:
            argument = self.arguments[node.name]
            if argument in (self.example.token_ids, self.example.token_types):
                depends = frozenset({"tokens"})
            else:
                depends = frozenset({"length", f"{_ARGUMENT}{argument}"})
                known[node.name] = inputs[node.name]
        else:
            stored: Any = self.program.state_dict.get(spec.target)
            if stored is None:
                stored = self.program.constants.get(spec.target)
            known[node.name] = stored.detach() if isinstance(stored, Tensor) else stored
            trained = spec.kind == InputKind.PARAMETER
            floating = isinstance(stored, Tensor) and stored.is_floating_point() and stored.dim()
            if trained or (floating and spec.kind == InputKind.BUFFER):
                depends = frozenset({"weights"})
        self.depends[node.name] = depends

    def _call(self, node: fx.Node, num_tokens: int, known: Probe) -> None:
        target: Any = node.target
        sources = [source.name for source in node.all_input_nodes]
        shape_only = set(sources) if target_name(node) in _SHAPE_ONLY else set()
        if target_name(node) in _SHAPE_OF_SECOND:
            shape_only = {sources[-1]} - {sources[0]}
        read = [self.depends.get(s, {"tokens"}) for s in sources if s not in shape_only]
        depends = frozenset({"length"} if shape_only else ()).union(*read)
        if {"weights", "length"} <= depends:
            depends |= {"tokens"}
        self.depends[node.name] = depends
        if "tokens" in depends:
            return
        try:
            args, kwargs = fx.node.map_arg(
                (node.args, dict(node.kwargs)),
                lambda n: self._stand_in(node, n.name, num_tokens, known),
            )
            with torch.no_grad():
                known[node.name] = target(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError, NotImplementedError):
            self.depends[node.name] = depends | {"tokens"}

    def _stand_in(self, node: fx.Node, source: str, num_tokens: int, known: Probe) -> Any:
        """A known value, or an empty tensor with the shape of a token-dependent one."""
        if source in known:
            return known[source]
        origin = next(n for n in node.all_input_nodes if n.name == source)
        traced = origin.meta["val"]
        shape = [
            n if isinstance(n, int) else int(n.node.expr.subs({self.symbol: num_tokens}))
            for n in traced.shape
        ]
        return torch.zeros(shape, dtype=traced.dtype)


def fold(program: ExportedProgram, example: ExampleInputs) -> Known:
    """Constants and weights of an exported program."""
    evaluator = _Evaluator(program, example)
    lengths = probe_lengths(example.max_tokens)
    probes = [evaluator.run(length) for length in lengths]
    constants: dict[str, Constant] = {}
    weights: dict[str, Tensor] = {}
    for name, depends in evaluator.depends.items():
        values = [probe.get(name) for probe in probes]
        if "tokens" in depends or any(value is None for value in values):
            continue
        if "weights" in depends and isinstance(values[0], Tensor):
            weights[name] = values[0]
        else:
            origin = sorted(d.removeprefix(_ARGUMENT) for d in depends if d.startswith(_ARGUMENT))
            constants[name] = replace(_describe(values, lengths), arguments=tuple(origin))
    return Known(constants, weights)


def _describe(values: Iterable[Any], lengths: Iterable[int]) -> Constant:
    """What values of one node at several lengths have in common."""
    tensors = [torch.as_tensor(v) if isinstance(v, (int, float, Tensor)) else None for v in values]
    if any(t is None or t.numel() == 0 for t in tensors):
        return Constant()
    known = [t.detach() for t in tensors if t is not None]
    is_boolean = known[0].dtype == torch.bool
    if all(bool((t == t.flatten()[0]).all()) for t in known):
        firsts = [float(t.flatten()[0]) for t in known]
        fixed, slope = _line(firsts, list(lengths))
        return Constant(fixed, slope, is_boolean=is_boolean)
    spans = bands(known, list(lengths)) if is_boolean else None
    first = None if is_boolean else _first_position(known, lengths)
    return Constant(first_position=first, is_boolean=is_boolean, spans=spans)


def _first_position(values: Iterable[Tensor], lengths: Iterable[int]) -> int | None:
    """First entry of whole numbers that count up along the last axis at every length."""
    firsts: set[int] = set()
    for value, length in zip(values, lengths, strict=True):
        if value.is_floating_point() or value.dim() == 0 or value.shape[-1] != length:
            return None
        first = int(value.flatten()[0])
        if not bool((value == first + torch.arange(length)).all()):
            return None
        firsts.add(first)
    return firsts.pop() if len(firsts) == 1 else None


def bands(masks: list[Tensor], lengths: list[int]) -> tuple[int | None, ...] | None:
    """Span of each head of a mask (…, heads, S, S) at several lengths; None if it is no band."""
    if any(
        mask.dim() < 2 or mask.shape[-2:] != (n, n) for mask, n in zip(masks, lengths, strict=True)
    ):
        return None
    heads = [mask.reshape(-1, n, n) for mask, n in zip(masks, lengths, strict=True)]
    longest = max(lengths)
    reach = heads[lengths.index(longest)][:, 0].sum(dim=-1)
    for mask, n in zip(heads, lengths, strict=True):
        place = torch.arange(n)
        near = (place[:, None] - place[None, :]).abs() < reach[:, None, None]
        if mask.shape != near.shape or not bool((mask == near).all()):
            return None
    return tuple(None if int(span) == longest else int(span) for span in reach)


def _line(values: list[float], lengths: list[int]) -> tuple[float | None, float]:
    """Intercept and slope through values over lengths; (None, 0) if they lie on no line."""
    if len(lengths) == 1 or values[0] == values[-1]:
        return (values[0], 0.0) if len(set(values)) == 1 else (None, 0.0)
    slope = (values[-1] - values[0]) / (lengths[-1] - lengths[0])
    fixed = values[0] - slope * lengths[0]
    on_line = all(v == fixed + slope * n for v, n in zip(values, lengths, strict=True))
    return (fixed, slope) if on_line else (None, 0.0)
