"""Modules as they were before torch.compile, DataParallel and their kin wrapped them."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

_INNER = {
    "OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module",
    "AveragedModel": "module",
}  # fmt: skip
"""Wrappers of torch by class, with the attribute that holds what they wrap."""


def unwrapped(model: Any) -> Any:
    """The module without wrappers around it or any module inside it.

    A wrapper computes what it wraps, in another way or place. Modules on the path to a wrapper are
    copied, sharing parameters and buffers, so that the caller's model stays as it is; a model
    without wrappers is returned itself. What is no module is returned as it is.
    """
    return _plain(model, {}) if isinstance(model, nn.Module) else model


def _plain(module: nn.Module, known: dict[int, nn.Module]) -> nn.Module:
    """The plain form of a module; one that stands in several places keeps doing so."""
    if id(module) in known:
        return known[id(module)]
    inner = _wrapped(module)
    if inner is not None:
        plain = _plain(inner, known)
    else:
        children = {
            name: child if child is None else _plain(child, known)
            for name, child in module._modules.items()
        }
        plain = _with_children(module, children)
    known[id(module)] = plain
    return plain


def _wrapped(module: nn.Module) -> nn.Module | None:
    """What a wrapper of torch wraps; None for any other module."""
    names = {base.__name__ for base in type(module).__mro__ if base.__module__.startswith("torch.")}
    for name, attribute in _INNER.items():
        inner = getattr(module, attribute, None) if name in names else None
        if isinstance(inner, nn.Module):
            return inner
    return None


def _with_children(module: nn.Module, children: dict[str, nn.Module | None]) -> nn.Module:
    """The module itself where its children are these and its call is its own, else a copy."""
    compiled = getattr(module, "_compiled_call_impl", None) is not None
    if not compiled and all(child is module._modules[name] for name, child in children.items()):
        return module
    plain = copy.copy(module)
    # nn.Module shares these dictionaries with a shallow copy.
    plain.__dict__["_modules"] = children
    plain.__dict__["_compiled_call_impl"] = None
    return plain
