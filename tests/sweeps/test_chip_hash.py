"""Hashes of chips: by content, whatever the spelling, and never by a neighbour's section."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.hw.loader import ChipTemplate, load_chip
from edgesim.sweeps.chip_hash import ChipHashes

BASE = "edgebert-n16"
CHANGES: list[dict[str, Any]] = [
    {}, {"pu.vector_size": 8}, {"clock.voltage": "0.7 V"}, {"storage.reram.capacity": "1 MiB"},
    {"storage.sram.capacity": "1 MiB", "storage.sram.port": "64 bit", "storage.sram.on_chip": True},
    {"placement.embedding_weight": ["lpddr4"]}, {"description": "another"}, {"assumed": ["x"]},
]  # fmt: skip


def test_every_change_of_a_chip_changes_its_hash_and_nothing_else_does() -> None:
    hashes, template = ChipHashes(), ChipTemplate(BASE)
    found = [hashes.of(template.chip(change)) for change in CHANGES]
    assert len(set(found)) == len(CHANGES)
    assert found == [ChipHashes().of(load_chip(BASE, change)) for change in CHANGES]


def test_spellings_of_one_value_share_a_hash() -> None:
    spellings = ({"buffers.auxiliary": "32 KiB"}, {"buffers.auxiliary_bytes": "32768 B"})
    first, second = (ChipHashes().of(load_chip(BASE, spelling)) for spelling in spellings)
    assert first == second


@pytest.mark.parametrize("name", ["tx2-maxn", "edgebert-hls"])
def test_other_kinds_of_chips_have_hashes_too(name: str) -> None:
    assert ChipHashes().of(load_chip(name)) == ChipHashes().of(load_chip(name))
    assert ChipHashes().of(load_chip(name)) != ChipHashes().of(load_chip(BASE))
