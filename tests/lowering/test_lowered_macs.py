"""Oracle: multiply-accumulates of a trace equal a count of the products a real forward runs."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from lower_models import MODELS, built_and_lowered, outputs, sentence
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel

from edgesim.pipeline.lower import lower_model as lower


class MacCounter(TorchDispatchMode):
    """Counts multiply-accumulates of every matrix product that reaches aten."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "bmm"):
            self.macs += prod(args[0].shape) * args[1].shape[-1]
        elif name in ("addmm", "baddbmm"):
            self.macs += prod(args[1].shape) * args[2].shape[-1]
        elif name.startswith("_scaled_dot_product"):
            query, key = args[0], args[1]
            self.macs += 2 * prod(query.shape) * key.shape[-2]
        else:
            assert not any(word in name for word in ("matmul", "linear", "einsum", "conv")), name
        return func(*args, **(kwargs or {}))


def counted(model: torch.nn.Module, num_tokens: int) -> int:
    with MacCounter() as counter:
        outputs(model, sentence(num_tokens))
    return counter.macs


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_macs_equal_those_of_a_real_forward_at_three_lengths(name: str, attention: str) -> None:
    model, trace = built_and_lowered(name, attention)
    for num_tokens in (4, 17, 48):
        assert trace.macs(num_tokens) == counted(model, num_tokens)


def base_sized(family: str) -> torch.nn.Module:
    """Two layers of the published base size, small vocabulary."""
    sizes = {"vocab_size": 50, "hidden_size": 768, "num_hidden_layers": 2,
             "num_attention_heads": 12, "intermediate_size": 3072}  # fmt: skip
    if family == "albert":
        return AlbertModel(AlbertConfig(**sizes, embedding_size=128), add_pooling_layer=False)
    return BertModel(BertConfig(**sizes), add_pooling_layer=False)


@pytest.mark.parametrize("family", ["albert", "bert"])
def test_a_base_sized_layer_takes_931_mmac_at_128_tokens(family: str) -> None:
    """4·768²·128 for the projections, 2·768·3072·128 for the feed-forward, 2·768·128² between."""
    model = base_sized(family).eval()
    trace = lower(model)
    per_layer = [sum(trace.op_macs(op, 128) for op in layer.ops) for layer in trace.layers]
    assert per_layer == [931_135_488, 931_135_488]
    assert trace.macs(128) == counted(model, 128)
