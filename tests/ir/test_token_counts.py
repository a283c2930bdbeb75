"""Token counts on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesim.errors import InputError
from edgesim.ir.token_counts import load_token_counts, save_token_counts
from edgesim.ir.workload import Workload


def test_counts_come_back_as_they_were_saved(tmp_path: Path) -> None:
    counts = np.array([0, 3, 2**40], dtype=np.int64)
    save_token_counts(tmp_path / "c.npz", counts, "train")
    assert np.array_equal(load_token_counts(tmp_path / "c.npz"), counts)


def test_a_workload_is_not_taken_for_counts(tmp_path: Path) -> None:
    Workload("w", np.array([3]), None, None, None).save(tmp_path / "w.npz")
    with pytest.raises(InputError, match="expected a token_counts"):
        load_token_counts(tmp_path / "w.npz")


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such token_counts file"):
        load_token_counts(tmp_path / "c.npz")
