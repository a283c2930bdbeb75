"""An exit study as text for a terminal."""

from __future__ import annotations

from edgesim.ir.exit_study import ExitStudy
from edgesim.report.table import text_table


def exit_study_text(study: ExitStudy) -> str:
    """Accuracy of every ramp, and early exit at equal allowed losses, a row per variant."""
    first, count = study.variants[0], study.num_sentences

    def percent(correct: int) -> str:
        return f"{100 * correct / count:.1f} %"

    layers = [f"layer {layer}" for layer in range(1, len(first.correct_by_layer) + 1)]
    by_layer = [[v.name, v.trained, *map(percent, v.correct_by_layer)] for v in study.variants]
    by_loss = [
        [
            variant.name, str(point.allowed_loss_points), f"{point.threshold_nats:.2f}",
            percent(point.correct),
            f"{100 * (point.correct - variant.correct_by_layer[-1]) / count:+.1f}",
            f"{point.average_exit_layer:.2f}",
        ]
        for variant in study.variants
        for point in variant.points
    ]  # fmt: skip
    header = ["ramps", "points allowed", "nats", "accuracy", "points", "average exit"]
    return "\n\n".join(
        [
            f"{study.model}: {count} sentences ({study.text}), thresholds chosen on "
            f"{study.num_selection} training rows; {'; '.join(study.notes)}",
            text_table(["ramps", "trained", *layers], by_layer),
            text_table(header, by_loss),
        ]
    )
