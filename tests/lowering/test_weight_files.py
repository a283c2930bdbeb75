"""Weights as people store them: whole or in shards, safetensors or torch archives, checked."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hugging_face_folders import WEIGHTS, assert_equal_weights, built, refusal, stored
from lower_models import build
from torch import nn
from transformers.utils import logging

from edgesim.lowering.hugging_face import load_hugging_face

INDEX = "model.safetensors.index.json"
BIN, BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"


def sharded(tmp_path: Path, name: str = "bert classifier") -> tuple[Any, Path]:
    """A folder of several shards with their index."""
    model = build(name)
    logging.disable_progress_bar()
    shards = tmp_path / "shards"
    model.save_pretrained(shards, max_shard_size="8KB")  # type: ignore[operator]
    assert len(list(shards.glob("model-*.safetensors"))) > 2
    return model, shards


def as_archive(folder: Path, content: object | None = None) -> Path:
    """Turn model.safetensors into pytorch_model.bin, or write other content there."""
    path = folder / BIN
    torch.save(stored(folder) if content is None else content, path)
    (folder / WEIGHTS).unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("name", ["bert classifier", "albert", "distilbert"])
def test_shards_give_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    model, folder = sharded(tmp_path, name)
    loaded = load_hugging_face(folder)
    assert_equal_weights(loaded.module, model)
    assert loaded.notes == ()


def edited(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """The refusal of a folder whose index was changed."""
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))
    return refusal(folder)


def test_a_missing_damaged_or_unlisted_shard_is_named(tmp_path: Path) -> None:
    _, folder = sharded(tmp_path)
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-10])
    assert f"{shard.name}: damaged or no safetensors file" in refusal(folder)
    shard.unlink()
    assert f"shards are missing ({shard.name})" in refusal(folder)
    shard.write_bytes(content)
    (folder / "model-00099-of-00099.safetensors").write_bytes(content)
    assert "names no tensor of model-00099-of-00099.safetensors" in refusal(folder)


def test_an_index_that_its_shards_do_not_match_is_refused(tmp_path: Path) -> None:
    _, folder = sharded(tmp_path)
    files = sorted(path.name for path in folder.glob("model-*.safetensors"))
    name = "classifier.bias"
    whole = json.loads((folder / INDEX).read_text())
    other = next(file for file in files if file != whole["weight_map"][name])
    text = edited(folder, lambda index: index["weight_map"].update({name: other}))
    assert name in text
    assert "that model.safetensors.index.json places there are missing" in text
    (folder / INDEX).write_text(json.dumps(whole))
    text = edited(folder, lambda index: index["weight_map"].pop(name))
    assert "1 are not placed there (classifier.bias)" in text
    (folder / INDEX).write_text(json.dumps(whole))
    outside = {name: "../whole/model.safetensors"}
    assert "no index of shards" in edited(folder, lambda i: i["weight_map"].update(outside))
    for content in ("{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 3}}'):
        (folder / INDEX).write_text(content)
        assert "no index of shards" in refusal(folder)


@pytest.mark.parametrize("name", ["bert classifier", "albert classifier", "distilbert"])
def test_a_torch_archive_gives_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    model, folder = built(name, tmp_path / "m")
    as_archive(folder, model.state_dict())
    loaded = load_hugging_face(folder)
    assert_equal_weights(loaded.module, model)
    assert loaded.notes == ()


def test_torch_archives_in_shards_are_read(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    names = sorted(stored(folder))
    parts = {"pytorch_model-00001-of-00002.bin": names[:7],
             "pytorch_model-00002-of-00002.bin": names[7:]}  # fmt: skip
    for file, part in parts.items():
        torch.save({name: stored(folder)[name] for name in part}, folder / file)
    shard_of = {name: file for file, part in parts.items() for name in part}
    (folder / BIN_INDEX).write_text(json.dumps({"weight_map": shard_of}))
    (folder / WEIGHTS).unlink()
    assert_equal_weights(load_hugging_face(folder).module, model)


def test_of_two_forms_safetensors_is_read_and_the_other_named(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    whole = (folder / WEIGHTS).read_bytes()
    as_archive(folder, {"other": torch.zeros(1)})
    (folder / WEIGHTS).write_bytes(whole)
    (folder / "tf_model.h5").write_bytes(b"")
    loaded = load_hugging_face(folder)
    assert_equal_weights(loaded.module, model)
    assert loaded.notes == (
        "weights are those of model.safetensors; pytorch_model.bin, tf_model.h5 beside it is not "
        "read",
    )


class _Hostile:
    """Pickles as a call that writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("inside", [True, False])
def test_a_hostile_pickle_is_refused_and_not_run(inside: bool, tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    mark = tmp_path / "ran"
    content = {**stored(folder), "x": _Hostile(mark)} if inside else _Hostile(mark)
    as_archive(folder, content)
    assert "could run code" in refusal(folder)
    assert not mark.exists()
    torch.load(folder / BIN, weights_only=False)
    assert mark.exists()


def test_a_bare_pickle_or_a_whole_module_is_refused_and_not_run(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    mark = tmp_path / "ran"
    as_archive(folder, model)
    assert "pickles more than tensors" in refusal(folder)
    (folder / BIN).write_bytes(pickle.dumps(_Hostile(mark)))
    assert "no zip archive of torch.save" in refusal(folder)
    torch.save(model.state_dict(), folder / BIN, _use_new_zipfile_serialization=False)
    assert "written before torch 1.6" in refusal(folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(2)], "holds a list, no state dict"),
        ({"model": {"a": torch.zeros(2)}}, "'model' is a dict, no tensor"),
        ({3: torch.zeros(2)}, "'3' is no name"),
        ({"a": torch.zeros(1).expand(10**12)}, "'a' is larger than what is stored of it"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "'a' is a sparse"),
        ({"a": torch.zeros(2, device="meta")}, "'a' is a sparse, quantised or empty tensor"),
        ({}, "holds a dict, no state dict"),
    ],
)
def test_content_that_is_no_state_dict_is_named(
    content: object, words: str, tmp_path: Path
) -> None:
    _, folder = built("bert", tmp_path / "m")
    as_archive(folder, content)
    text = refusal(folder)
    assert words in text
    assert "save_pretrained" in text


def test_damaged_archives_are_one_line(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    path = as_archive(folder)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    name_bytes, extra_bytes = struct.unpack_from("<HH", whole, largest.header_offset + 26)
    flipped = bytearray(whole)
    flipped[largest.header_offset + 30 + name_bytes + extra_bytes + 4] ^= 1
    for content, words in (
        (whole[: len(whole) // 2], "truncated"), (b"", "truncated"),
        (b"version https://git-lfs", "truncated"), (bytes(flipped), "the checksum of"),
    ):  # fmt: skip
        path.write_bytes(content)
        assert words in refusal(folder)


@pytest.mark.parametrize(
    ("records", "compression", "words"),
    [
        ({"m/code/x.py": b"a"}, zipfile.ZIP_STORED, "holds 'm/code/x.py', which is no tensor"),
        ({"m/version": b"3"}, zipfile.ZIP_STORED, "lacks data.pkl"),
        ({"m/data.pkl": b"x" * 10**6}, zipfile.ZIP_DEFLATED, "is compressed"),
        ({"m/data.pkl": b"x", "n/version": b"3"}, zipfile.ZIP_STORED, "a record twice"),
        ({"m/data.pkl": b"x"}, zipfile.ZIP_STORED, "damaged: torch cannot read it"),
    ],
)
def test_zip_files_that_are_no_state_dict_are_refused(
    records: dict[str, bytes], compression: int, words: str, tmp_path: Path
) -> None:
    _, folder = built("bert", tmp_path / "m")
    (folder / WEIGHTS).unlink()
    with zipfile.ZipFile(folder / BIN, "w", compression) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    assert words in refusal(folder)


@pytest.mark.parametrize("form", ["safetensors", "bin"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_widths_become_float32_with_a_note(
    form: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    model, folder = built("bert", tmp_path / "m")
    model.to(dtype).save_pretrained(folder)  # type: ignore[operator]
    if form == "bin":
        as_archive(folder)
    loaded = load_hugging_face(folder)
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float32}
    assert_equal_weights(loaded.module, model.to(torch.float32))
    (note,) = loaded.notes
    assert note.startswith(f"weights are stored as {str(dtype).removeprefix('torch.')} and ")


@pytest.mark.parametrize("name", ["model.bin", "training.pt", "weights.safetensors"])
def test_missing_weights_say_what_lies_there_and_how_to_save(name: str, tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    (folder / WEIGHTS).unlink()
    assert "no weights are there" in refusal(folder)
    (folder / name).write_bytes(b"anything")
    text = refusal(folder)
    assert f"there is {name}" in text
    assert "save_pretrained" in text


def test_damaged_safetensors_are_one_line(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    path = folder / WEIGHTS
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff" * 64, b"version https://git-lfs", b""):
        path.write_bytes(content)
        assert "damaged or no safetensors file" in refusal(folder)


def test_a_parameter_object_in_an_archive_is_a_tensor(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    as_archive(folder, {name: nn.Parameter(t) for name, t in stored(folder).items()})
    assert_equal_weights(load_hugging_face(folder).module, model)
