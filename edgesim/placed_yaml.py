"""YAML files as plain values, with the `file:line` of every part and all faults of form at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from edgesim.errors import EdgesimError
from edgesim.files import read_bounded_text

SafeLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times faster."""

Place = tuple[str | int, ...]
"""Keys and list positions that lead to a part."""
MOST_KIB = 512
MOST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
MOST_LEVELS = 12
MOST_PARTS = 10_000
"""More come from aliases of aliases, not from a writer."""
_OTHER_LINE_END = re.compile("[\\x85\\u2028\\u2029]|\\r(?!\\n)")
"""What YAML 1.1 takes for a line end and no other reader of the file does."""
_MERGE = "tag:yaml.org,2002:merge"
_TOO_MUCH = f"is nested deeper than {MOST_LEVELS} levels, or has more than {MOST_PARTS} parts"


def read_placed(
    path: Path, what: str, error: type[EdgesimError]
) -> tuple[dict[str, Any], dict[Place, str]]:
    """Values of a YAML mapping and where each part was written.

    `what` says what such a file is, such as "a chip file is a mapping with name, kind, …". Raises
    `error` for what is no YAML, no mapping, longer than 512 KiB, nested deeper than 12 levels or
    gives a key twice.
    """
    text = read_bounded_text(path, what, MOST_KIB, error)
    return placed_mapping(text, str(path), what, error)


def placed_mapping(
    text: str, where: str, what: str, error: type[EdgesimError]
) -> tuple[dict[str, Any], dict[Place, str]]:
    """The same for text that was read from the file `where`."""
    values, places = _placed(text, where, error)
    if not isinstance(values, dict):
        raise error(f"{where}:1: {what}")
    return values, places


def plain_value(text: str, where: str, error: type[EdgesimError]) -> Any:
    """The value of a YAML text, of any form; `where` opens the message of `error`."""
    return _placed(text, where, error)[0]


def _placed(text: str, where: str, error: type[EdgesimError]) -> tuple[Any, dict[Place, str]]:
    if found := _OTHER_LINE_END.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise error(
            f"{where}:{line}: holds U+{ord(found[0]):04X}, which YAML takes for a line end; lines "
            'end with LF or CRLF, and text may hold it as an escape, such as "\\u2028"'
        )
    try:
        _check_extent(text)
        node = yaml.compose(text, Loader=SafeLoader)
    except _TooMuchError as fault:
        raise error(f"{where}:{fault.line}: the file {_TOO_MUCH}") from None
    except (yaml.YAMLError, RecursionError) as fault:
        raise error(f"{where}: not valid YAML: {' '.join(str(fault).split())}") from None
    if node is None:
        return None, {}
    walk = _Walk(where)
    values = walk.plain(node, ())
    if walk.faults:
        raise error("\n".join(dict.fromkeys(walk.faults)))
    return values, walk.places


class _TooMuchError(Exception):
    """More levels or parts than a writer writes."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def _check_extent(text: str) -> None:
    """Raise before nodes are composed, which recurses, where they are too many or too deep."""
    parts = depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            parts += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
        if depth > MOST_LEVELS + 1 or parts > MOST_PARTS:
            raise _TooMuchError(event.start_mark.line + 1 if event.start_mark else 1)


class _Walk:
    """Notes places and faults on the way through the nodes of one file."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.places: dict[Place, str] = {}
        self.faults: list[str] = []
        self.parts = 0
        self.scalars = yaml.SafeLoader("")

    def plain(self, node: yaml.Node, at: Place) -> Any:
        """The plain value of a node; None where it is at fault."""
        self.parts += 1
        if len(at) > MOST_LEVELS or self.parts > MOST_PARTS:
            if self.parts <= MOST_PARTS + 1:
                self._fault(node, at[:1], _TOO_MUCH)
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
            given = repr(node.value)[:MOST_SHOWN]
            self._fault(node, at, f"is {given}; write a number, text or true/false")
            return None

    def _mapping(self, node: yaml.MappingNode, at: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if self.parts > MOST_PARTS:
                break
            key = str(key_node.value)
            inner = (*at, key)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, at, "has a list or a mapping as a key; a key is a word")
                continue
            if key_node.tag == _MERGE:
                merged = self._merged(self.plain(value_node, inner), key_node, at) | merged
                continue
            if key in result:
                self._fault(key_node, inner, "is given twice; keep one")
            self.places[inner] = self._line(key_node)
            result[key] = self.plain(value_node, inner)
        return merged | result

    def _merged(self, values: Any, node: yaml.Node, at: Place) -> dict[str, Any]:
        """What `<<` brings in: one mapping, or several of which the first wins."""
        found: dict[str, Any] = {}
        for mapping in values if isinstance(values, list) else [values]:
            if not isinstance(mapping, dict):
                if self.parts <= MOST_PARTS:  # else it was cut short, which is said already
                    self._fault(node, (*at, "<<"), "merges what is no mapping")
                continue
            found = mapping | found
        for key in found:
            self.places.setdefault((*at, key), self._line(node))
        return found

    def _line(self, node: yaml.Node) -> str:
        return f"{self.where}:{node.start_mark.line + 1}"

    def _fault(self, node: yaml.Node, at: Place, words: str) -> None:
        dotted = ".".join(map(str, at)) or "the file"
        self.faults.append(f"{self._line(node)}: {dotted} {words}")
