"""Hostile files: one line, exit 2, within a second of processor time and 500 MB.

Commands run in forks of a process that has done the imports, so that a second is edgesim's own.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked_commands import Forked, forked

import edgesim as es
from edgesim.ir.storage import write_npz
from edgesim.ir.trace_file import load_trace, trace_content

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="commands run in forks")
MODEL = "minilm-sst2-ee"
MOST_CPU_S = 1.0
MOST_PEAK_BYTES = 500e6
MODULES = (
    "edgesim.cli", "edgesim.pipeline.simulate", "edgesim.pipeline.models", "edgesim.report",
    "edgesim.sweeps.driver", "edgesim.compress.recipe", "edgesim.pipeline.compress",
    "edgesim.pipeline.formats", "edgesim.lowering.pt2", "safetensors.numpy",
)  # fmt: skip
Meta = dict[str, Any]


@pytest.fixture(scope="module")
def edgesim() -> Iterator[Forked]:
    with forked(*MODULES) as run:
        yield run


@pytest.fixture(scope="module")
def sound() -> tuple[Meta, dict[str, Any]]:
    """Header and arrays of a trace that runs."""
    return trace_content(load_trace(es.find_model(MODEL).path / "trace.npz"))


def refused(edgesim: Forked, *arguments: object) -> str:
    """The one line of a refused command, once its cost has been looked at."""
    done = edgesim(*arguments)
    assert done.code == 2, done.error[-3000:]
    assert done.error.startswith("edgesim: ")
    assert done.error.count("\n") == 1
    assert len(done.error) < 2000
    assert done.cpu_s < MOST_CPU_S
    assert done.peak_bytes < MOST_PEAK_BYTES
    return done.error


def npy(shape: str, content: bytes, dtype: str = "|u1") -> bytes:
    """An .npy that states a shape, whatever it holds."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + content


def packed(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def header(text: bytes) -> bytes:
    return npy(f"({len(text)},)", text)


def test_a_sound_trace_runs_under_the_same_limit_of_memory(
    edgesim: Forked, tmp_path: Path, sound: tuple[Meta, dict[str, Any]]
) -> None:
    write_npz(tmp_path / "t.npz", *sound)
    command = ("run", tmp_path / "t.npz", "--pad-to", "16")
    assert edgesim(*command).code == 0  # compiles the kernels where no run has done so yet
    done = edgesim(*command)
    assert done.code == 0, done.error
    assert done.peak_bytes < MOST_PEAK_BYTES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "recursion"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "recursion"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "digits"),
    ],
)
def test_a_header_beyond_json_readers_is_refused(
    edgesim: Forked, tmp_path: Path, text: bytes, words: str
) -> None:
    path = packed(tmp_path / "t.npz", header_json=header(text))
    assert words in refused(edgesim, "run", path, "--pad-to", "32")


def bomb(path: Path, member: str, chunk: bytes, count: int) -> Path:
    """An .npz whose one array unpacks to far more than the file holds."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{member}.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(npy(f"({len(chunk) * count},)", b""))
        for _ in range(count):
            stream.write(chunk)
    return path


@pytest.mark.parametrize(
    ("member", "chunk", "count"),
    [("token_counts", bytes(2**20), 1000), ("header_json", b"{},[]," * 2**17, 100)],
)
def test_a_zip_bomb_is_not_unpacked(
    edgesim: Forked, tmp_path: Path, member: str, chunk: bytes, count: int
) -> None:
    path = bomb(tmp_path / "t.npz", member, chunk, count)
    assert path.stat().st_size < len(chunk) * count / 100
    assert "unpacked it holds" in refused(edgesim, "run", path, "--pad-to", "32")
    assert "unpacked" in refused(edgesim, "run", MODEL, "--workload", path)


def test_a_directory_of_countless_members_is_not_read(edgesim: Forked, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number}.npy", b"")
    assert "directory" in refused(edgesim, "run", tmp_path / "t.npz", "--pad-to", "32")


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{1: 2}], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        npy("(1000000000000,)", bytes(800), "<i8"),
        npy("(1,)", bytes(800), "<U1000000000"),
        npy("(-5,)", bytes(800)),
        pickled(),
    ],
)
def test_an_array_that_states_more_than_it_holds_or_holds_objects_is_refused(
    edgesim: Forked, tmp_path: Path, array: bytes, sound: tuple[Meta, dict[str, Any]]
) -> None:
    text = header(json.dumps(sound[0]).encode())
    path = packed(tmp_path / "t.npz", header_json=text, token_counts=array)
    assert "states" in refused(edgesim, "run", path, "--pad-to", "32")


def _heads(meta: Meta) -> None:
    for op in meta["layers"][0]["ops"]:
        if "num_heads" in op:
            op["num_heads"] = 10**12


def _activations(meta: Meta) -> None:
    for tensor in meta["tensors"]:
        if tensor["tensor_class"] == "activation":
            tensor["shape"] = ["1000000000000*S", 1000000]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(max_tokens=10**12), "max_tokens"),
        (
            lambda m: m["tensors"][0].update(shape=[10**6, 10**6]),
            "1e\\+12 weights|1000000, 1000000",
        ),
        (lambda m: m["tensors"][0].update(shape=[-3, 4]), "at least 1"),
        (_activations, "1000000000000\\*S"),
        (_heads, "do not fit together"),
        (lambda m: m.update(layers=m["layers"] * 250), "ops"),
        (
            lambda m: m["tensors"][0].update(number_format="float<900000000,3>"),
            "float<900000000,3>",
        ),
        (lambda m: m["tensors"][0].update(density=float("nan")), "density"),
        (lambda m: m["layers"][0]["ops"][0].update(inputs=["nowhere"]), "nowhere"),
        (lambda m: m["layers"][0]["ops"][0].update(kind=["matmul"]), "kind"),
        (lambda m: m["layers"][0].update(ops=7), "list of ops"),
        (lambda m: m.update(layers=[]), "layers"),
    ],
)
def test_counts_that_multiply_out_and_ops_that_do_not_fit_are_named(
    edgesim: Forked, tmp_path: Path, sound: tuple[Meta, dict[str, Any]],
    change: Callable[[Meta], None], words: str,
) -> None:  # fmt: skip
    meta = json.loads(json.dumps(sound[0]))
    change(meta)
    write_npz(tmp_path / "t.npz", meta, {})
    said = refused(edgesim, "run", tmp_path / "t.npz", "--pad-to", "32")
    assert any(word.replace("\\", "") in said for word in words.split("|"))


YAML = {
    "alias bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)),
    "merge bomb": "a0: &a0 {x: 1}\n"
    + "".join(
        f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
    ),
    "deep list": "a: " + "[" * 100_000 + "]" * 100_000,
    "deep mapping": "a: " + "{a: " * 100_000 + "1" + "}" * 100_000,
    "deep blocks": "".join(" " * level + "a:\n" for level in range(2000)),
    "wide": "a: [" + "1, " * 100_000 + "]",
    "long": "a: 1\n" * 500_000,
    "digits": "a: " + "9" * 100_000,
    "no date": "a: 2001-99-99",
}  # fmt: skip


@pytest.mark.parametrize("name", YAML)
def test_hostile_yaml_is_refused_as_chip_space_and_recipe(
    edgesim: Forked, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(YAML[name])
    for command in (
        ("chip", "check", path),
        ("run", MODEL, "--chip", path),
        ("sweep", path, "-o", tmp_path / "o.csv"),
        ("compress", path, "--smoke", "-o", tmp_path / "out"),
    ):
        assert "f.yaml" in refused(edgesim, *command)
    assert [p.name for p in tmp_path.iterdir()] == ["f.yaml"]


def test_a_hostile_setting_is_refused(edgesim: Forked) -> None:
    bombed = "{" + ", ".join(YAML["alias bomb"].splitlines()) + "}"
    for value in (bombed, "[" * 50_000, "9" * 5000, "2001-99-99", "!!python/object:x 1"):
        assert "--set pu.vector_size" in refused(
            edgesim, "chip", "check", "edgebert-n16", "--set", f"pu.vector_size={value}"
        )


def tensors(length: int, **entries: Any) -> bytes:
    """A safetensors file that states a header of `length` bytes and holds four."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", length or len(text)) + text + b"\0" * 4


@pytest.mark.parametrize(
    "content",
    [
        tensors(2**62),
        tensors(10**8),
        tensors(0, w={"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}),
        tensors(0, w={"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}),
        tensors(0, w={"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}),
        tensors(0, w={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                v={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}),
        b"no safetensors file",
        b"",
    ],
    ids=["2^62", "10^8", "10^12", "backwards", "too-small", "overlapping", "text", "empty"],
)  # fmt: skip
def test_a_safetensors_file_that_lies_is_refused(
    edgesim: Forked, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    assert "no readable safetensors file" in refused(edgesim, "formats", path)


@pytest.mark.parametrize("content", [b"no program", b"PK\x03\x04" + b"\0" * 100, b""])
def test_what_is_no_exported_program_is_refused(
    edgesim: Forked, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    assert "model.pt2" in refused(edgesim, "lower", path, "-o", tmp_path / "t.npz")
