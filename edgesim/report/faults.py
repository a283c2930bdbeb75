"""A fault study as text for a terminal."""

from __future__ import annotations

from edgesim.ir.fault_study import FaultPoint, FaultStudy
from edgesim.ir.quantity import digits_text, percent_text
from edgesim.report.table import text_table

BITS_PER_MIB = 8 * 2**20
HEADER = (
    "codes in", "mask in", "coding", "cells misread", "bits misread", "mask cells misread",
    "faults a trial", "accuracy mean", "min", "max",
)  # fmt: skip
EXIT_HEADER = ("with exits", "min", "max", "exit layer")


def fault_text(study: FaultStudy) -> str:
    """What was asked, a row per condition, sources, and what is assumed and not modelled."""
    exits = study.exit_threshold_nats is not None
    blocks = [
        _heading(study),
        text_table(
            (*HEADER, *(EXIT_HEADER if exits else ())),
            [_row(study, point) for point in study.points],
        ),
    ]
    for heading, lines in (
        ("sources", study.sources),
        ("assumed", study.assumed),
        ("not modelled", study.not_modelled),
    ):
        blocks.append("\n".join([heading, *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks)


def _heading(study: FaultStudy) -> str:
    stored, mask = study.data_bits / BITS_PER_MIB, study.mask_bits / BITS_PER_MIB
    free = study.fault_free
    lines = [
        f"{study.model}, {study.tensor_class} as {study.chip} stores it: {study.num_tensors} "
        f"tensors, {stored:.3g} MiB of codes, {mask:.3g} MiB of mask",
        f"{study.num_sentences} sentences ({study.text}), seed {study.seed}; without faults "
        f"{percent_text(free.correct / study.num_sentences)} right at full depth",
        f"cells of {study.medium} misread: range [{digits_text(study.cell_rate_low)}, "
        f"{digits_text(study.cell_rate_high)}] over the widths of its levels, which are assumed "
        "to within 20 %",
    ]
    if free.correct_with_exit is not None and free.average_exit_layer is not None:
        lines[1] += (
            f", {percent_text(free.correct_with_exit / study.num_sentences)} with exits below "
            f"{study.exit_threshold_nats:g} nats (layer {free.average_exit_layer:.2f} on average)"
        )
    return "\n".join(lines)


def _row(study: FaultStudy, point: FaultPoint) -> list[str]:
    num = len(point.trials)
    data = sum(trial.data_faults for trial in point.trials) / num
    mask = sum(trial.mask_faults for trial in point.trials) / num
    widened = "" if point.widened_to is None else " widened"
    cells = [
        study.medium + widened, point.mask_medium, point.coding, digits_text(point.data_cell_rate),
        digits_text(point.data_bit_rate), digits_text(point.mask_cell_rate),
        f"{digits_text(data)} + {digits_text(mask)}",
        *(percent_text(share) for share in study.accuracies(point)),
    ]  # fmt: skip
    if study.exit_threshold_nats is not None:
        layers = [trial.average_exit_layer or 0.0 for trial in point.trials]
        cells += [percent_text(share) for share in study.accuracies(point, with_exit=True)]
        cells.append(f"{sum(layers) / num:.2f}")
    return cells
