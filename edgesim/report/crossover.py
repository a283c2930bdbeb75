"""From which chip on a baseline is beaten, told apart from what the ranges leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.ir.interval import Interval
from edgesim.ir.quantity import interval_text
from edgesim.report.table import markdown_table

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
QUESTION = "From which n does the chip beat the GPU"


@dataclass(frozen=True)
class ChipAgainstBaseline:
    """One chip's latency and energy divided by the GPU's; below 1 the chip is better."""

    chip: str
    latency_ratio: Interval
    energy_ratio: Interval


def verdict(ratio: Interval) -> str:
    """BETTER where all of the range is below 1, WORSE where all is above, else UNDECIDED."""
    if ratio.high < 1:
        return BETTER
    return WORSE if ratio.low > 1 else UNDECIDED


def crossover_section(chips: Sequence[ChipAgainstBaseline], baseline: str) -> str:
    """Markdown: a row per chip in the given order (ascending n), then the answer in words."""
    if not chips:
        return "none: this report compares no row of chips with a GPU."
    rows = [
        [chip.chip, interval_text(chip.latency_ratio, ""), _words(chip.latency_ratio, "faster",
         "slower"), interval_text(chip.energy_ratio, ""),
         _words(chip.energy_ratio, "less energy", "more energy")]
        for chip in chips
    ]  # fmt: skip
    header = ["chip", f"latency / {baseline}", "latency", f"energy / {baseline}", "energy"]
    latency = answer([(chip.chip, chip.latency_ratio) for chip in chips], "latency", baseline)
    energy = answer([(chip.chip, chip.energy_ratio) for chip in chips], "energy", baseline)
    return f"{markdown_table(header, rows)}\n\n- {latency}\n- {energy}"


def answer(rows: Sequence[tuple[str, Interval]], quantity: str, baseline: str) -> str:
    """One sentence: from which chip on every one is surely better, and which are undecided.

    "Surely" means over the whole range that the sources allow.
    """
    verdicts = [(chip, verdict(ratio)) for chip, ratio in rows]
    tail = len(verdicts)
    while tail > 0 and verdicts[tail - 1][1] == BETTER:
        tail -= 1
    if tail < len(verdicts):
        first = f"beats {baseline} from {verdicts[tail][0]} on, over the whole range"
    else:
        first = f"no chip in this row beats {baseline} from its n on over the whole range"
    parts = [f"{quantity}: {first}"]
    for words, wanted in (("also better", BETTER), ("undecided", UNDECIDED), ("worse", WORSE)):
        named = [chip for chip, found in verdicts[:tail] if found == wanted]
        if named:
            parts.append(f"{words}: {', '.join(named)}")
    return "; ".join(parts) + "."


def _words(ratio: Interval, better: str, worse: str) -> str:
    return {BETTER: better, WORSE: worse, UNDECIDED: UNDECIDED}[verdict(ratio)]
