"""Why `torch.export` failed: one sentence with the place in the model and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgesim.lowering.module_run import first_line

_TORCH = str(Path(torch.__file__).parent)
_BOUND = re.compile(r"S = Dim\('S'(, min=(?P<min>\d+))?(, max=(?P<max>\d+))?\)")
"""torch's proposal for the length of a sentence."""
_SIZE = re.compile(r"L\['\w+'\]\.size\(\)\[\d+\]")
_OWN = str(Path(__file__).parent)


def why_export_failed(model: nn.Module, error: Exception) -> str:
    """The sentence for an exception that `torch.export` raised on a model."""
    place = _place(model, error)
    kind, message = type(error).__name__, str(error)
    where = f"{type(model).__name__}: its forward"
    if "DataDependent" in kind or "data-dependent" in message:
        return (
            f"{where} branches on the values of a tensor {place}, and a trace holds no branches; "
            "leave out a mask that it looks into; for an early exit return the logits of all "
            "off-ramps: edgesim decides for every sentence, outside of the graph, where it leaves"
        )
    if "register a pytree" in message:
        what = message.partition("<class '")[2].partition("'")[0].rpartition(".")[2]
        if "Cache" in what:
            return (
                f"{where} returns a {what} of keys and values, as a decoder does; decoders with a "
                "cache are not lowered, for an encoder set model.config.use_cache = False"
            )
        return (
            f"{where} returns a {what or 'type of its own'}; return tensors, tuples or dictionaries"
        )
    if "fake_quantize" in message:
        return (
            f"{where} rounds activations by fake quantisation {place}, as training for a format "
            "does; take it out and name the format: activation_format='int<8>'"
        )
    if "FlexAttention" in message or "flex_attention" in message:
        return (
            f"{where} calls flex_attention {place}, whose mask is a program; use "
            "scaled_dot_product_attention (attn_implementation='sdpa')"
        )
    if "onstraints violated" in message or "ConstraintViolation" in kind:
        return (
            f"{where} takes only some sentence lengths: {_guard(message)}; it must take every "
            "length up to its longest, without chunks or shapes of a fixed number of tokens"
        )
    return (
        f"{where} cannot be exported {place}: {kind}: {first_line(error)}; it may not depend on "
        "values of the tokens and must take any sentence length"
    )


def longest_allowed(error: Exception) -> int | None:
    """Tokens up to which alone a forward can be exported; None if it has other conditions."""
    bound = _BOUND.search(str(error))
    if bound is None or int(bound["min"] or 2) > 2 or bound["max"] is None:
        return None
    return int(bound["max"])


def _guard(message: str) -> str:
    """The first condition on the length that torch found, without torch's names."""
    bound = _BOUND.search(message)
    if bound is not None:
        low, high = bound["min"] or "2", bound["max"]
        return f"from {low} to {high} tokens" if high else f"from {low} tokens on"
    for line in message.split("\n"):
        if "satisfy the generated guard" in line or "specialized" in line or "constant" in line:
            return _SIZE.sub("S", " ".join(line.strip(" -").split()))[:160]
    return "torch finds that lengths are fixed by it"


def _place(model: nn.Module, error: Exception) -> str:
    """`at <module path> (<file>:<line>)` of the innermost module of the model that was running."""
    names = {id(module): name for name, module in model.named_modules()}
    path, line, trace = "the model itself", "", error.__traceback__
    while trace is not None:
        frame: Any = trace.tb_frame
        file, names_of_locals = frame.f_code.co_filename, frame.f_code.co_varnames
        running = frame.f_locals.get(names_of_locals[0]) if names_of_locals else None
        if id(running) in names and not file.startswith(_OWN):
            path = names[id(running)] or "the model itself"
            line = "" if file.startswith(_TORCH) else f" ({Path(file).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"at {path}{line}"
