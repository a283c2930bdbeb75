"""Wrappers of torch are taken off a copy; the caller's model stays as it is."""

from __future__ import annotations

import pytest
import torch
from lower_models import build, outputs, sentence
from torch import nn
from torch.optim.swa_utils import AveragedModel

from edgesim.ir.trace_file import trace_hash
from edgesim.lowering.unwrap import unwrapped
from edgesim.pipeline.lower import lower_model as lower

WRAPPERS = {
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "compiled in parallel": lambda m: nn.DataParallel(torch.compile(m)),
    "parallel, compiled": lambda m: torch.compile(nn.DataParallel(m)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_wrapped_model_gives_the_model_itself(wrap: object) -> None:
    model = build("bert")
    assert unwrapped(wrap(model)) is model  # type: ignore[operator]


def test_a_distributed_model_gives_the_model_itself() -> None:
    model = build("bert")
    wrapper = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = model
    assert unwrapped(wrapper) is model


def test_of_an_averaged_model_the_average_is_taken() -> None:
    model = build("bert")
    average = AveragedModel(model)
    assert unwrapped(average) is average.module


def test_a_model_without_wrappers_is_returned_itself() -> None:
    model = build("bert")
    assert unwrapped(model) is model
    assert unwrapped("no module") == "no module"
    own = nn.Sequential()
    own.module = nn.Linear(2, 2)  # a name alone makes no wrapper
    assert unwrapped(own) is own


def test_wrapped_modules_inside_are_replaced_in_a_copy() -> None:
    model = build("bert classifier")
    expected = trace_hash(lower(model))
    layer = model.bert.encoder.layer[1]
    model.bert.encoder.layer[1] = torch.compile(layer)
    model.bert.embeddings = nn.DataParallel(model.bert.embeddings)
    plain = unwrapped(model)
    assert plain.bert.encoder.layer[1] is layer
    assert model.bert.encoder.layer[1] is not layer
    assert isinstance(model.bert.embeddings, nn.DataParallel)
    assert type(plain) is type(model)
    assert plain.classifier.weight is model.classifier.weight
    assert trace_hash(lower(plain)) == expected


def test_a_module_compiled_in_place_is_called_plainly() -> None:
    model = build("bert")
    expected = outputs(model, sentence(4))
    model.encoder.layer[0].compile(backend=_fails)
    plain = unwrapped(model)
    torch.testing.assert_close(outputs(plain, sentence(4)), expected)
    assert model.encoder.layer[0]._compiled_call_impl is not None


def _fails(*_: object) -> None:
    raise AssertionError("compiled code is not run")


def test_a_shared_module_stays_shared() -> None:
    shared = nn.Linear(2, 2)
    wrapped = torch.compile(shared)
    plain = unwrapped(nn.ModuleList([wrapped, shared, wrapped]))
    assert plain[0] is plain[1] is plain[2] is shared
