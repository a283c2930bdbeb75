"""YAML files as plain values, with the `file:line` of every part and all faults of form at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edgesim.errors import EdgesimError

SafeLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times faster."""

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a part."""
MOST_LEVELS = 12
MOST_PARTS = 100_000
"""More come from aliases of aliases, not from a writer."""


def read_placed(
    path: Path, what: str, error: type[EdgesimError]
) -> tuple[dict[str, Any], dict[Place, str]]:
    """Values of a YAML mapping and where each part was written.

    `what` says what such a file is, such as "a chip file is a mapping with name, kind, …". Raises
    `error` for what is no YAML, no mapping, nested deeper than 12 levels or gives a key twice.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=SafeLoader)
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}); {what}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as fault:
        raise error(f"{path}: not valid YAML: {' '.join(str(fault).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise error(f"{path}:1: {what}")
    walk = _Walk(path)
    values = walk.plain(node, ())
    if walk.faults:
        raise error("\n".join(dict.fromkeys(walk.faults)))
    return values, walk.places


class _Walk:
    """Notes places and faults on the way through the nodes of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[Place, str] = {}
        self.faults: list[str] = []
        self.parts = 0
        self.scalars = yaml.SafeLoader("")

    def plain(self, node: yaml.Node, at: Place) -> Any:
        """The plain value of a node; None where it is at fault."""
        self.parts += 1
        if len(at) > MOST_LEVELS or self.parts > MOST_PARTS:
            if self.parts <= MOST_PARTS + 1:
                self._fault(
                    node,
                    at[:1],
                    f"is nested deeper than {MOST_LEVELS} levels, or has too many parts",
                )
            return None
        if at:
            self.places.setdefault(at, self._line(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*at, number)) for number, item in enumerate(node.value)]
        try:
            return self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self._fault(node, at, f"is {node.value!r}; write a number, text or true/false")
            return None

    def _mapping(self, node: yaml.MappingNode, at: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = (*at, key)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, at, "has a list or a mapping as a key; a key is a word")
                continue
            if key in result:
                self._fault(key_node, inner, "is given twice; keep one")
            self.places[inner] = self._line(key_node)
            result[key] = self.plain(value_node, inner)
        return result

    def _line(self, node: yaml.Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"

    def _fault(self, node: yaml.Node, at: Place, words: str) -> None:
        dotted = ".".join(map(str, at)) or "the file"
        self.faults.append(f"{self._line(node)}: {dotted} {words}")
