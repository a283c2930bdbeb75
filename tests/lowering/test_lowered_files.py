"""A lowered trace that was saved runs without torch and holds the same model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lower_models import MODELS, built_and_lowered

from edgesim.errors import InputError
from edgesim.functional.float32 import execute
from edgesim.ir.trace_file import load_trace, save_trace
from edgesim.pipeline.lower import lower_model as lower

READ_BACK = """
import sys
from pathlib import Path
from edgesim.ir.trace_file import load_trace
trace = load_trace(Path(sys.argv[1]))
zeros = sum(int((~trace.weight_mask(name)).sum()) for name in trace.masks)
print(trace.macs(17), zeros, sum(1 for _ in trace.all_ops()))
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_trace_holds_the_same_ops_tensors_and_outputs(name: str, tmp_path: Path) -> None:
    _, trace = built_and_lowered(name)
    save_trace(trace, tmp_path / "t.trace")
    loaded = load_trace(tmp_path / "t.trace")
    assert list(loaded.all_ops()) == list(trace.all_ops())
    assert (loaded.prologue, loaded.layers, loaded.epilogue) == (
        trace.prologue, trace.layers, trace.epilogue,
    )  # fmt: skip
    assert dict(loaded.tensors) == dict(trace.tensors)
    assert (loaded.outputs, loaded.max_tokens) == (trace.outputs, trace.max_tokens)
    with pytest.raises(InputError, match="no weight values"):
        execute(loaded, [1, 2])


def test_a_saved_trace_is_read_without_torch_and_keeps_its_masks(tmp_path: Path) -> None:
    import torch
    from lower_models import build

    model = build("multi-exit albert, mean")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter[torch.rand(parameter.shape) < 0.3] = 0.0
    trace = lower(model)
    path = tmp_path / "t.trace"
    save_trace(trace, path)
    printed = subprocess.run(
        [sys.executable, "-c", READ_BACK, str(path)], check=True, capture_output=True, text=True
    ).stdout.split()
    zeros = sum(int((p == 0).sum()) for p in model.parameters())
    assert [int(word) for word in printed] == [
        trace.macs(17), zeros, sum(1 for _ in trace.all_ops()),
    ]  # fmt: skip
    for name, mask in trace.masks.items():
        np.testing.assert_array_equal(load_trace(path).masks[name], mask)
