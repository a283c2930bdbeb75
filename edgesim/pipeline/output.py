"""Text files of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgesim.files import json_text
from edgesim.whole_file import whole_file


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON with sorted keys, whole or not at all."""
    write_text(path, json_text(content, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
