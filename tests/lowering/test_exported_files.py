"""`.pt2` files: the same trace as from the module, and nothing that could run code is loaded."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lower_models import HIDDEN, LONGEST, built_and_lowered, outputs, sentence
from test_transformer_encoder import encoder
from torch import nn

from edgesim.errors import InputError
from edgesim.functional.float32 import execute
from edgesim.ir.optrace import OpTrace
from edgesim.pipeline.lower import lower_model as lower
from edgesim.pipeline.models import ExportedFile

NAMES = ("bert classifier", "multi-exit albert, mean")
CONFIG = "data/weights/model_weights_config.json"


def export(model: nn.Module, path: Path, dynamic: dict[int, Any] | None) -> Path:
    ids = sentence(8)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    program = torch.export.export(
        model, (), given, dynamic_shapes=dict.fromkeys(given, dynamic), strict=False
    )
    torch.export.save(program, path)
    return path


def lowered_file(path: Path) -> OpTrace:
    return ExportedFile(path).lower()


def length() -> Any:
    return torch.export.Dim("S", min=2, max=LONGEST)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, _ = built_and_lowered("bert")
    return export(model, tmp_path_factory.mktemp("pt2") / "bert.pt2", {1: length()})


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an archive with other records."""
    with zipfile.ZipFile(source) as archive:
        root = archive.namelist()[0].partition("/")[0]
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(records)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in records.items():
            archive.writestr(f"{root}/{name}", content)
    return target


def edit(record: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of one JSON record."""

    def changed(records: dict[str, bytes]) -> None:
        content = json.loads(records[record])
        change(content)
        records[record] = json.dumps(content).encode()

    return changed


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_file_gives_the_trace_of_its_module(name: str, tmp_path: Path) -> None:
    model, trace = built_and_lowered(name)
    found = lowered_file(export(model, tmp_path / "m.pt2", {1: length()}))
    assert list(found.all_ops()) == list(trace.all_ops())
    assert dict(found.tensors) == dict(trace.tensors)
    assert (found.name, found.model_class) == ("m", trace.model_class)
    assert found.max_tokens == LONGEST
    ids = sentence(7)
    values = execute(found, ids[0].numpy())
    for tensor, expected in zip(found.outputs, outputs(model, ids), strict=True):
        difference = values[tensor] - expected.numpy().reshape(values[tensor].shape)
        assert float(np.abs(difference).max()) < 1e-5


def test_an_exported_encoder_keeps_its_input_tensor(tmp_path: Path) -> None:
    model = encoder(batch_first=False)
    given = (torch.zeros(8, 1, HIDDEN),)
    program = torch.export.export(model, given, dynamic_shapes=({0: length()},))
    torch.export.save(program, tmp_path / "e.pt2")
    found = lowered_file(tmp_path / "e.pt2")
    assert list(found.all_ops()) == list(lower(model).all_ops())


def test_a_static_length_and_a_dynamic_batch_say_how_to_export(tmp_path: Path) -> None:
    model, _ = built_and_lowered("distilbert")
    with pytest.raises(InputError, match=r"static shape .*Dim"):
        lowered_file(export(model, tmp_path / "s.pt2", None))
    ids = torch.zeros((3, 8), dtype=torch.long)
    batch = torch.export.Dim("B", min=2, max=9)
    program = torch.export.export(
        model, (ids,), dynamic_shapes=({0: batch, 1: length()},), strict=False
    )
    torch.export.save(program, tmp_path / "b.pt2")
    with pytest.raises(InputError, match=r"shape \(\?, \?\).*batch 1"):
        lowered_file(tmp_path / "b.pt2")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(64)])
def test_a_file_that_is_no_archive_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt2"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no archive") as caught:
        lowered_file(path)
    assert "\n" not in str(caught.value)


def test_a_cut_or_foreign_archive_is_refused(saved: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pt2"
    cut.write_bytes(saved.read_bytes()[:-2000])
    with pytest.raises(InputError, match="no archive"):
        lowered_file(cut)
    foreign = tmp_path / "foreign.pt2"
    torch.save({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(InputError, match=r"foreign\.pt2"):
        lowered_file(foreign)


class Trap:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "code ran"))


def test_a_trap_among_the_example_inputs_does_not_spring(saved: Path, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    held = io.BytesIO()
    torch.save(((Trap(sprung),), {}), held)

    def change(records: dict[str, bytes]) -> None:
        records["data/sample_inputs/model.pt"] = held.getvalue()

    path = rewritten(saved, tmp_path / "t.pt2", change)
    with pytest.raises(InputError, match=r"refused.*example inputs"):
        lowered_file(path)
    assert not sprung.exists()
    with contextlib.suppress(Exception):
        torch.export.load(path)
    assert sprung.exists(), "torch no longer unpickles example inputs: the check may be relaxed"


def _pickled_weight(records: dict[str, bytes]) -> None:
    edit(CONFIG, lambda c: next(iter(c["config"].values())).update(use_pickle=True))(records)


def _library(records: dict[str, bytes]) -> None:
    records["data/aotinductor/model/x.so"] = b"\x7fELF"


def _legacy_weights(records: dict[str, bytes]) -> None:
    records["data/weights/model.pt"] = pickle.dumps({})


def _node(field: str, value: str) -> Callable[[dict[str, bytes]], None]:
    return edit(
        "models/model.json",
        lambda c: c["graph_module"]["graph"]["nodes"][0].update({field: value}),
    )


def _size(records: dict[str, bytes]) -> None:
    def change(content: Any) -> None:
        values = content["graph_module"]["graph"]["sym_int_values"]
        next(iter(values.values()))["as_expr"]["expr_str"] = "__import__('os').getpid()"

    edit("models/model.json", change)(records)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_pickled_weight, "pickled object"),
        (_library, "aotinductor"),
        (_legacy_weights, "data/weights/model.pt"),
        (_node("target", "torch.os.getpid"), r"calls 'torch\.os\.getpid'"),
        (_node("target", "torch.ops.higher_order.cond"), "higher_order"),
        (_node("name", "x: print(1)"), "names a value"),
        (_size, "states the size .__import__"),
    ],
)
def test_whatever_could_run_code_is_refused(
    change: Callable[[dict[str, bytes]], None], words: str, saved: Path, tmp_path: Path
) -> None:
    path = rewritten(saved, tmp_path / "c.pt2", change)
    with pytest.raises(InputError, match=f"refused, since loading it could run code.*{words}"):
        lowered_file(path)


def test_an_archive_that_was_only_packed_anew_is_read(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "same.pt2", lambda records: None)
    assert lowered_file(path).num_layers == 2
