"""Every picture of a report as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgesim.plot import exits, roofline
from edgesim.plot.energy import energy_height_inches, plot_energy_by_unit
from edgesim.plot.exits import plot_exit_layers
from edgesim.plot.latency import latency_height_inches, plot_latency_by_kind
from edgesim.plot.roofline import plot_roofline
from edgesim.plot.style import DPI, WIDTH_INCHES, Results, as_results

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def save_pictures(
    folder: Path, results: Results, labels: Sequence[str] | None = None
) -> tuple[tuple[Path, str], ...]:
    """Paths and captions of the PNG files written into an existing folder, 900 pixels wide."""
    found = as_results(results)
    written = []
    for name, caption, height_inches, draw in _pictures(found):
        path = folder / name
        save_picture(path, height_inches, partial(draw, found, labels=labels))
        written.append((path, caption))
    return tuple(written)


def save_picture(path: Path, height_inches: float, draw: Callable[[Axes], Axes]) -> None:
    """One PNG file, 900 pixels wide, with what `draw` puts on its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _pictures(
    results: Results,
) -> tuple[tuple[str, str, float, Callable[..., Axes]], ...]:
    """File, caption, height and drawing function of each picture."""
    return (
        ("energy_by_unit.png",
         "Energy by unit: chip plain, off-chip memory hatched, host dotted",
         energy_height_inches(results), plot_energy_by_unit),
        ("chip_energy_by_unit.png", "Energy on chip by unit, without off-chip memory and host",
         energy_height_inches(results), partial(plot_energy_by_unit, chip_only=True)),
        ("latency_by_op_kind.png", "Latency by op kind",
         latency_height_inches(results), plot_latency_by_kind),
        ("exit_layers.png", "Share of sentences that leave after each layer",
         exits.HEIGHT_INCHES, plot_exit_layers),
        ("roofline.png", "Roofline: op kinds against peak arithmetic and memory bandwidth",
         roofline.HEIGHT_INCHES, plot_roofline),
    )  # fmt: skip
