"""The one sentence that names all calls of a graph that cannot be lowered, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from edgesim.lowering.builder import Builder

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")
_MOST_CHARACTERS = 350
"""Of the named faults; the rest are counted."""
_INSTEAD = (
    "Replace them by linear layers, scaled-dot-product attention over all tokens, layer norm, "
    "relu, gelu, tanh, residual sums, mean- or first-token pooling and embeddings, or lower the "
    "part without them"
)


def fault_text(builder: Builder, output_faults: list[str], model_class: str) -> str:
    """All faults in one line: calls of equal layers together, the longest lists cut."""
    places: Counter[tuple[str, str, str]] = Counter()
    for call in builder.graph.calls:
        if call.name in builder.faults:
            places[call.target, call.module_path, builder.faults[call.name]] += 1
    count = len(places) + len(output_faults)
    entries = _shortened([*_entries(places), *output_faults])
    types = builder.graph.token_types
    if types is not None:
        entries.append(
            f"argument {types} differs from token to token: only an embedding may read it; a mask "
            "may hide padding at one end and nothing else"
        )
    return (
        f"{model_class}: {count} operation{'s' * (count > 1)} cannot be lowered: "
        f"{'; '.join(entries)}. {_INSTEAD}"
    )


def _entries(places: Counter[tuple[str, str, str]]) -> list[str]:
    """One entry for each reason: the operators by kind of place."""
    kinds: dict[tuple[str, str], dict[str, int]] = {}
    paths: dict[tuple[str, str], list[str]] = {}
    for (target, path, reason), count in places.items():
        kind = _NUMBER.sub("0", path), reason
        kinds.setdefault(kind, {})[target] = count
        paths.setdefault(kind, []).append(path)
    reasons: dict[str, list[str]] = {}
    for kind, targets in kinds.items():
        named = ", ".join(f"{target}{_times(count)}" for target, count in targets.items())
        reasons.setdefault(kind[1], []).append(f"{named} at {_joined_paths(paths[kind])}")
    return [f"{', '.join(named)}: {reason}" for reason, named in reasons.items()]


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


def _joined_paths(paths: Iterable[str]) -> str:
    """The first of paths that differ in numbers alone, and the numbers of the others."""
    first, *others = dict.fromkeys(paths)
    if not others:
        return first or "the model itself"
    rows = [[int(n) for n in _NUMBER.findall(path)] for path in (first, *others)]
    varying = [i for i in range(len(rows[0])) if len({row[i] for row in rows}) > 1]
    if len(varying) != 1:
        return f"{first} (and {len(others)} more)"
    numbers = sorted(row[varying[0]] for row in rows[1:])
    ends = [n for n in numbers if n - 1 not in numbers or n + 1 not in numbers]
    is_run = numbers == list(range(numbers[0], numbers[-1] + 1))
    shown = ends if is_run else numbers
    return f"{first} (and {('-' if is_run else ', ').join(map(str, shown))})"


def _shortened(entries: list[str]) -> list[str]:
    """The first entries as they fit, at least one, and how many are left out."""
    kept: list[str] = []
    for entry in entries:
        if kept and sum(map(len, kept)) + len(entry) > _MOST_CHARACTERS:
            break
        kept.append(entry)
    left = len(entries) - len(kept)
    return [*kept, f"{left} more kind{'s' * (left > 1)}"] if left else kept
