"""The section of a released implementation: complete, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.errors import ChipError
from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec
from edgesim.paths import data_path


def test_a_released_implementation_needs_a_sequence_for_every_command(tmp_path: Path) -> None:
    base = load_chip("edgebert-hls")
    assert isinstance(base, AcceleratorSpec)
    assert base.artifact is not None
    sequences = base.artifact.commands.sequences
    assert len(sequences["matmul"].registers) == 8
    path = data_path("hwconfigs", "edgebert-hls")
    text = path.read_text(encoding="utf-8")
    start, stop = text.index("      dvfs:\n"), text.index("      axi_load_input:")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text[:start] + text[stop:], encoding="utf-8")
    with pytest.raises(ChipError, match="sequences lack dvfs"):
        load_chip(broken)


def test_a_released_chip_that_would_move_data_by_a_command_it_lacks_is_refused() -> None:
    with pytest.raises(ChipError, match=r"vector_ops: got \['pool'\]; the released chip has no"):
        load_chip("edgebert-hls", {"sfu.vector_ops": ["pool"]})
