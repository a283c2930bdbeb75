"""From an exported program to torch-free records: the first of the two steps of lowering."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx
from torch.export import ExportedProgram

from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.fold import Known, dimension, fold, length_symbol, node_of, target_name
from edgesim.lowering.records import Call, Graph, Ref, references

_REPEAT = re.compile(r"@(\d+)$")
_CHECKS = ("aten._assert", "aten.sym_constrain")
_HALF = (torch.float16, torch.bfloat16)
_SLOTS = {
    "aten.linear.default": {1: "weight", 2: "bias"},
    "aten.layer_norm.default": {2: "weight", 3: "bias"},
    "aten.embedding.default": {0: "weight"},
}


def capture_program(program: ExportedProgram, example: ExampleInputs) -> Graph:
    """Records of an exported program of one sentence with a symbolic length."""
    known = fold(program, example)
    token_ids = node_of(program, example, example.token_ids)
    symbol = length_symbol(program, token_ids)
    calls = [
        _record(node, symbol)
        for node in program.graph.nodes
        if node.op == "call_function"
        and node.name not in known.constants
        and node.name not in known.weights
        and not target_name(node).startswith(_CHECKS)
    ]
    output = next(node for node in program.graph.nodes if node.op == "output")
    outputs = tuple(_argument(item) for item in output.args[0])
    live = _live(calls, outputs)
    names = _weight_names(program, known, live)
    values = {names[n]: _array(known.weights[n]) for n in names}
    types = None
    if example.token_types is not None:
        types = node_of(program, example, example.token_types)
    shape = None
    if example.input_shape is not None:
        shape = tuple(SEQUENCE if n is None else Size(n) for n in example.input_shape)
    half = any(weight.dtype in _HALF for weight in program.state_dict.values())
    return Graph(
        token_ids, tuple(live), outputs, known.constants, names, values, types, half, shape
    )  # fmt: skip


def _argument(argument: Any) -> Any:
    """An argument without torch: nodes become references, types and devices strings."""
    if isinstance(argument, fx.Node):
        return Ref(argument.name)
    if isinstance(argument, (list, tuple)):
        return tuple(_argument(item) for item in argument)
    if argument is None or isinstance(argument, (bool, int, float, str)):
        return argument
    return str(argument)


def _shape(node: fx.Node, symbol: Any) -> tuple[Size, ...] | None:
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return None
    sizes = [dimension(size, symbol) for size in value.shape]
    return None if any(size is None for size in sizes) else tuple(s for s in sizes if s is not None)


def _module_stack(node: fx.Node) -> tuple[tuple[str, int], ...]:
    stack: Mapping[str, Any] = node.meta.get("nn_module_stack") or {}
    entries: list[tuple[str, int]] = []
    for key, (path, _) in stack.items():
        match = _REPEAT.search(key)
        if not path.startswith("_empty_nn_module_stack"):
            entries.append((_REPEAT.sub("", path), int(match[1]) if match else 0))
    return tuple(entries)


def _record(node: fx.Node, symbol: Any) -> Call:
    return Call(
        name=node.name,
        target=target_name(node),
        args=tuple(_argument(item) for item in node.args),
        kwargs={name: _argument(item) for name, item in node.kwargs.items()},
        shape=_shape(node, symbol),
        module_stack=_module_stack(node),
    )


def _live(calls: Iterable[Call], outputs: tuple[Any, ...]) -> list[Call]:
    """Calls that an output needs, and calls that change a tensor in place."""
    needed = set(references(outputs))
    live: list[Call] = []
    for call in reversed(list(calls)):
        changes_in_place = call.target.split(".")[1].endswith("_")
        if call.name in needed or changes_in_place:
            needed.update(call.references())
            live.append(call)
    return live[::-1]


def _weight_names(program: ExportedProgram, known: Known, calls: list[Call]) -> dict[str, str]:
    """Weight tensor of every value that is one: its state-dict name, shared weights once.

    A weight computed from others, such as a pruned one, is named after the module that uses it.
    """
    signature = program.graph_signature
    stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    names: dict[str, str] = {}
    owners: dict[tuple[Any, ...], str] = {}
    for node, name in stored.items():
        if node in known.weights:
            weight = known.weights[node]
            key = (weight.data_ptr(), tuple(weight.shape), weight.stride())
            names[node] = owners.setdefault(key, name)
    used = {reference for call in calls for reference in call.references()}
    computed: dict[str, str] = {}
    for call in calls:
        for position, argument in enumerate(call.args):
            if isinstance(argument, Ref) and argument.name in known.weights:
                slot = _SLOTS.get(call.target, {}).get(position)
                if argument.name not in stored:
                    name = f"{call.module_path}.{slot}" if slot else argument.name
                    computed.setdefault(argument.name, name.lstrip("."))
    owned: dict[str, str] = {}
    for node, name in computed.items():
        first = owned.setdefault(name, node)
        same = torch.equal(known.weights[first], known.weights[node])
        names[node] = name if same else f"{name}:{node}"
    return {node: name for node, name in names.items() if node in used}


def _array(weight: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = weight.detach().to("cpu", torch.float32).numpy()
    return array
