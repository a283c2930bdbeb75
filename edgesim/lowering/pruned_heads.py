"""Classes of transformers with the attention heads taken out that `pruned_heads` names.

transformers 5 no longer reads that setting; transformers 4 wrote it, with smaller matrices.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from edgesim.errors import InputError
from edgesim.lowering.folder_config import FolderConfig

_PRODUCTS = ("query", "key", "value", "q_lin", "k_lin", "v_lin")
"""Layers of an attention that lose rows."""
_PROJECTIONS = ("dense", "out_lin")
"""Layers behind an attention that lose columns."""
_COUNTS = ("num_attention_heads", "n_heads")
_WIDTHS = ("all_head_size",)
"""Attributes that versions of transformers read in an attention's forward."""


def with_pruned_heads(architecture: type[nn.Module], config: FolderConfig) -> Any:
    """A class of the same name whose attentions are built without the pruned heads."""
    if not config.pruned_heads:
        return architecture

    def build(self: Any, *arguments: Any, **options: Any) -> None:
        architecture.__init__(self, *arguments, **options)
        _prune(self, config)

    content = {"__init__": build, "__module__": architecture.__module__}
    return type(architecture.__name__, (architecture,), content)


def _prune(model: nn.Module, config: FolderConfig) -> None:
    attentions = _attentions(model)
    heads = config.value("num_attention_heads", "n_heads") or model.config.num_attention_heads  # type: ignore[union-attr]
    _check(config, len(attentions), int(heads))  # type: ignore[arg-type]
    for layer, pruned in config.pruned_heads.items():
        for attention in attentions[layer]:
            _shrink(attention, int(heads) - len(pruned), int(heads))  # type: ignore[arg-type]


def _attentions(model: nn.Module) -> list[list[nn.Module]]:
    """Modules of each layer that hold products or the projection of its attention, in order.

    BERT splits an attention into `attention.self` and `attention.output`.
    """
    layers: dict[str, list[nn.Module]] = {}
    for name, module in model.named_modules():
        path, _, last = name.rpartition("attention")
        if path and last in ("", ".self", ".output"):
            layers.setdefault(path, []).append(module)
    return list(layers.values())


def _check(config: FolderConfig, layers: int, heads: int) -> None:
    for layer, pruned in config.pruned_heads.items():
        if not 0 <= layer < layers or not all(0 <= head < heads for head in pruned):
            raise InputError(
                f"{config.path}: pruned_heads names heads {list(pruned)} of layer {layer}; the "
                f"model has layers 0 to {layers - 1} with heads 0 to {heads - 1}"
            )
        if len(pruned) == heads:
            raise InputError(
                f"{config.path}: pruned_heads takes all {heads} heads of layer {layer}, which is "
                "not lowered; keep one of them, with its output columns zero"
            )


def _shrink(attention: nn.Module, kept: int, heads: int) -> None:
    """Give an attention `kept` of `heads` heads; its weights are loaded later."""
    for name, child in list(attention.named_children()):
        if not isinstance(child, nn.Linear):
            continue
        rows, columns = child.out_features, child.in_features
        if name in _PRODUCTS:
            rows = rows // heads * kept
        elif name in _PROJECTIONS:
            columns = columns // heads * kept
        linear = nn.Linear(columns, rows, device=child.weight.device, dtype=child.weight.dtype)
        setattr(attention, name, linear)
    for name in _COUNTS:
        if hasattr(attention, name):
            setattr(attention, name, kept)
    for name in _WIDTHS:
        if hasattr(attention, name):
            setattr(attention, name, getattr(attention, name) // heads * kept)
