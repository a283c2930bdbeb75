"""Progress of a stage: a bar on a terminal, and a table in the work folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

COLUMNS = ("step", "loss", "accuracy", "zero_fraction", "mean_span", "heads_off")
INTERVAL = 20
"""Steps between two lines."""


class Progress:
    """Means over the last steps of a stage; lines beyond a resumed step are taken back."""

    def __init__(self, table: Path, name: str, num_steps: int, step: int) -> None:
        self.table = table
        kept = [
            line
            for line in (table.read_text().splitlines()[1:] if table.is_file() else [])
            if int(line.split("\t")[0]) <= step
        ]
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
