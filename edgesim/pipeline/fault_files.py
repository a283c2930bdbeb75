"""A fault study as files: data and picture."""

from __future__ import annotations

from pathlib import Path

from edgesim.ir.fault_study import FaultStudy
from edgesim.pipeline.output import write_json, write_text
from edgesim.plot.faults import HEIGHT_INCHES, plot_fault_accuracy
from edgesim.plot.pictures import save_picture


def write_fault_study(study: FaultStudy, folder: Path) -> None:
    """faults.json (everything), faults.csv (a row per trial) and accuracy_by_fault_rate.png."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "faults.json", study.to_json())
    write_text(folder / "faults.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    save_picture(
        folder / "accuracy_by_fault_rate.png", HEIGHT_INCHES,
        lambda ax: plot_fault_accuracy(study, ax),
    )  # fmt: skip
