"""What a `.pt2` archive may hold to be read: raw tensors, aten calls, integer expressions.

`torch.export.load` unpickles, loads compiled libraries and evaluates expression strings, so an
archive can run code. This check refuses every record through which it could; what it lets pass is
the output of `torch.export.save` for a plain model. It lowers the risk of a hostile file, it does
not make the format a safe one: read archives whose origin is known.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.export.pt2_archive._package import PT2ArchiveReader

from edgesim.errors import InputError

MODEL_RECORD = "models/model.json"
SAMPLE_RECORD = "data/sample_inputs/model.pt"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_PLAIN_RECORD = re.compile(
    r"^(data/weights/weight_\d+|data/constants/tensor_\d+|archive_format|archive_version|byteorder"
    r"|\.data/(version|serialization_id)|extra/[\w./-]+)$"
)
_TARGET = re.compile(
    r"^(torch\.ops\.aten\.\w+(\.\w+)?|_operator\.(add|and_|eq|floordiv|ge|getitem|gt|le|lt|mod|mul"
    r"|ne|neg|or_|pow|sub|truediv)|torch\.sym_(max|min|not|int|float|sum))$"
)
_SYMBOL = re.compile(
    r"Symbol\('([a-z]+\d+)'((, )?(positive|nonnegative|integer|real)=(True|False))*\)"
)
_EXPRESSION = re.compile(r"^[\w\s+\-*/(),<>=]*$")
_WORD = re.compile(
    r"^([a-z]+\d+|\d+|Integer|Rational|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv"
    r"|Eq|Equality|Ne|Unequality|Le|Lt|Ge|Gt|LessThan|GreaterThan|StrictLessThan"
    r"|StrictGreaterThan|And|Or|Not|True|False|true|false)$"
)
_NAME = re.compile(r"^[A-Za-z_]\w*$")
_TREE_TYPE = re.compile(
    r"^(builtins\.(tuple|list|dict)|collections\.OrderedDict|transformers\.modeling_outputs\.\w+)$"
)


def check_archive(content: bytes, where: str) -> None:
    """Raise InputError, in one line, for an archive that holds more than a plain model."""
    try:
        reader = PT2ArchiveReader(io.BytesIO(content))
        records = list(reader.get_file_names())
    except Exception:  # the C++ reader raises whatever it meets
        raise InputError(
            f"{where}: no archive of torch.export.save, or truncated; save the model with "
            "torch.export.save(torch.export.export(...), path)"
        ) from None
    known = {MODEL_RECORD, SAMPLE_RECORD, *_CONFIGS}
    strange = sorted(r for r in records if r not in known and not _PLAIN_RECORD.match(r))
    missing = sorted(known - {*records})
    if strange or missing:
        what = f"holds {', '.join(strange[:3])}" if strange else f"lacks {', '.join(missing)}"
        raise _refused(where, f"{what}; one model as raw tensors is wanted")
    for config in _CONFIGS:
        _check_payloads(_json(reader, config, where), where)
    _check_sample(reader.read_bytes(SAMPLE_RECORD), where)
    _check_program(_json(reader, MODEL_RECORD, where), where)


def _refused(where: str, reason: str) -> InputError:
    return InputError(f"{where}: refused, since loading it could run code: it {reason}")


def _json(reader: PT2ArchiveReader, record: str, where: str) -> Any:
    try:
        return json.loads(reader.read_string(record))
    except (ValueError, RecursionError):
        raise InputError(f"{where}: {record} is damaged; save the model anew") from None


def _check_payloads(config: Any, where: str) -> None:
    """Tensors must be raw bytes: pickled ones run code."""
    for name, payload in config.get("config", {}).items():
        path = str(payload.get("path_name"))
        if payload.get("use_pickle") or not re.match(r"^(weight|tensor)_\d+$", path):
            raise _refused(where, f"stores {name} as a pickled object")


def _check_sample(content: bytes, where: str) -> None:
    """Example inputs must satisfy the restricted unpickler, else torch falls back to the full one.

    The restricted one builds tensors and plain containers only.
    """
    if content:
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except Exception:
            raise _refused(where, "pickles example inputs that are no plain tensors") from None


def _check_program(program: Any, where: str) -> None:
    for key, value in _strings(program):
        if key == "expr_str" and not _is_expression(value):
            raise _refused(where, f"states the size {value[:60]!r}")
        if key in ("target", "as_operator") and not _TARGET.match(value):
            raise _refused(where, f"calls {value[:60]!r}")
        if key in ("name", "as_name") and not _NAME.match(value):
            raise _refused(where, f"names a value {value[:60]!r}")
        if key in ("in_spec", "out_spec"):
            _check_tree(value, where)
    graph = program.get("graph_module", {})
    names = [name for table in graph.get("graph", {}).values() if isinstance(table, dict)
             for name in table]  # fmt: skip
    strange = [name for name in names if not _NAME.match(str(name))]
    if strange or graph.get("treespec_namedtuple_fields"):
        raise _refused(where, f"names values or types of its own {strange[:3]}")


def _check_tree(text: str, where: str) -> None:
    """Containers of inputs and outputs: plain ones and those of transformers."""
    try:
        nodes = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(where, f"describes its inputs as {text[:60]!r}") from None
    for key, value in _strings(nodes):
        if key == "type" and not _TREE_TYPE.match(value):
            raise _refused(where, f"packs inputs or outputs in {value[:60]!r}")


def _is_expression(text: str) -> bool:
    """Whether an expression holds symbols, whole numbers and arithmetic only."""
    plain = _SYMBOL.sub(r"\1", text)
    words = re.findall(r"\w+", plain)
    return bool(_EXPRESSION.match(plain)) and all(_WORD.match(word) for word in words)


def _strings(node: Any) -> Iterator[tuple[str, str]]:
    """Every string in nested JSON with its key."""
    stack = [("", node)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend((str(k), v) for k, v in value.items())
        elif isinstance(value, list):
            stack.extend((key, v) for v in value)
        elif isinstance(value, str):
            yield key, value
