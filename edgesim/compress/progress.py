"""Progress of a stage: a bar on a terminal, and a table in the work folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.files import read_lines
from edgesim.units import whole_number

COLUMNS = ("step", "loss", "accuracy", "zero_fraction", "mean_span", "heads_off")
INTERVAL = 20
"""Steps between two lines."""


class Progress:
    """Means over the last steps of a stage; lines beyond a resumed step are taken back."""

    def __init__(self, table: Path, name: str, num_steps: int, step: int) -> None:
        self.table = table
        kept = _lines_until(table, step) if table.is_file() else []
        table.write_text("\n".join(["\t".join(COLUMNS), *kept]) + "\n")
        self.bar = tqdm(total=num_steps, initial=step, desc=name, disable=None)
        self.losses: list[float] = []
        self.accuracies: list[float] = []

    def add(self, loss: float, accuracy: float) -> None:
        """One step with its mean loss and its share of right answers behind the last layer."""
        self.losses.append(loss)
        self.accuracies.append(accuracy)
        self.bar.update()

    def write(self, step: int, state: Mapping[str, float]) -> None:
        """A line with the means since the last one and the state of the model."""
        count = max(len(self.losses), 1)
        figures = {
            "loss": sum(self.losses) / count, "accuracy": sum(self.accuracies) / count, **state,
        }  # fmt: skip
        self.losses, self.accuracies = [], []
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in figures.items()})
        cells = [str(step), *(f"{figures[name]:.5g}" for name in COLUMNS[1:])]
        with self.table.open("a") as stream:
            stream.write("\t".join(cells) + "\n")

    def close(self) -> None:
        """End the bar."""
        self.bar.close()


def _lines_until(table: Path, step: int) -> list[str]:
    """The lines below the header of an earlier run's table, up to a step."""
    kept = []
    for number, line in read_lines(table, "a stage writes its progress there")[1:]:
        at = whole_number(line.partition("\t")[0])
        if at is None:
            raise InputError(
                f"{table}:{number}: does not begin with a step; delete the file, the training "
                "goes on without its earlier lines"
            )
        if at <= step:
            kept.append(line)
    return kept
