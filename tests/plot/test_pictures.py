"""Pictures: axis labels with units, no overlaps, no global state, and matplotlib only on demand."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from synthetic_results import accelerator_result, demo_results, gpu_result

from edgesim.ir.result import SimResult
from edgesim.plot import (
    plot_energy_by_unit,
    plot_exit_layers,
    plot_latency_by_kind,
    plot_roofline,
    save_pictures,
)
from edgesim.plot.roofline import _words_box

PLOTS = (plot_energy_by_unit, plot_exit_layers, plot_latency_by_kind, plot_roofline)


def sweep_results() -> list[SimResult]:
    return [
        accelerator_result(f"edgebert-n{n}", latency_s=0.6 / n**2, peak_macs_per_s=n * n * 1e9)
        for n in (2, 4, 8, 16, 32)
    ]


def no_exits() -> SimResult:
    base = gpu_result()
    rows = tuple(replace(row, exit_layer=None) for row in base.sentences)
    return gpu_result(sentences=rows, average_exit_layer=None)


CASES: dict[str, Callable[[], SimResult | list[SimResult]]] = {
    "one": accelerator_result, "demo": demo_results, "sweep": sweep_results, "gpu": no_exits,
    "bare": lambda: accelerator_result(breakdown=(), roofline=(), sentences=no_exits().sentences),
}  # fmt: skip


@pytest.fixture
def axes() -> Any:
    return Figure(figsize=(9, 5), dpi=100, layout="constrained").add_subplot()


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("case", CASES)
def test_axis_labels_are_a_quantity_with_its_unit(plot: Any, case: str, axes: Any) -> None:
    assert plot(CASES[case](), axes) is axes
    for label in (axes.get_xlabel(), axes.get_ylabel()):
        assert re.fullmatch(r"[A-Z][^()]+ \([^()]+\)", label)


def test_bars_of_a_result_end_at_its_energy(axes: Any) -> None:
    result = accelerator_result()
    plot_energy_by_unit(result, axes)
    assert axes.get_xlabel() == "Mean energy per sentence (mJ)"
    end = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    assert end == pytest.approx(result.energy_j.value / 1e-3)


def test_bars_of_the_chip_alone_end_at_its_energy_on_chip(axes: Any) -> None:
    result = accelerator_result()
    plot_energy_by_unit(result, axes, chip_only=True)
    end = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    assert end == pytest.approx(result.chip_energy_j.value / 1e-3)
    assert all(not patch.get_hatch() for patch in axes.patches)


def test_merging_small_units_and_kinds_loses_nothing(axes: Any) -> None:
    result = accelerator_result()
    plot_latency_by_kind(result, axes)
    assert len(axes.patches) == 10
    total = sum(patch.get_width() for patch in axes.patches)
    assert total == pytest.approx(result.latency_s.value / 1e-3)


def test_off_chip_memory_and_host_are_hatched_and_the_chip_is_not(axes: Any) -> None:
    plot_energy_by_unit(accelerator_result(), axes)
    hatches = [patch.get_hatch() or "" for patch in axes.patches]
    assert hatches[-2:] == ["////", "...."]
    assert set(hatches[:-2]) == {""}


def test_a_bar_that_would_dwarf_the_others_is_cut_and_says_so(axes: Any) -> None:
    plot_energy_by_unit(demo_results(), axes)
    cut = [text.get_text() for text in axes.texts if "bar cut" in text.get_text()]
    assert len(cut) == 1
    assert cut[0].startswith("25.4 [20.3, 33.0] mJ")


def test_the_roofline_draws_a_chip_once_and_never_a_point_without_macs(axes: Any) -> None:
    plot_roofline(demo_results(), axes)
    roofs = [line for line in axes.lines if len(line.get_xdata()) > 2]
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(roofs) == 1
    assert len(points) == 2 * 3


@pytest.mark.parametrize("case", ["one", "demo", "sweep"])
def test_labels_of_the_roofline_do_not_overlap(case: str, axes: Any) -> None:
    plot_roofline(CASES[case](), axes)
    axes.figure.draw_without_rendering()
    boxes = [_words_box(text).padded(-3) for text in axes.texts if hasattr(text, "xyann")]
    assert len(boxes) >= 4
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))


def test_results_that_leave_alike_share_bars(axes: Any) -> None:
    plot_exit_layers(demo_results(), axes)
    assert len(axes.containers) == 2


def test_pictures_are_png_files_900_pixels_wide(tmp_path: Path) -> None:
    written = save_pictures(tmp_path, demo_results())
    assert len(written) == 5
    for path, caption in written:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert struct.unpack(">I", content[16:20])[0] == 900
        assert caption


def test_nothing_is_shown_and_importing_loads_no_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys, edgesim, edgesim.report, edgesim.plot; "
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_saving_pictures_leaves_no_open_figure(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    save_pictures(tmp_path, accelerator_result())
    assert plt.get_fignums() == before
    ax = plot_exit_layers(accelerator_result())
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)
