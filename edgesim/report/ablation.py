"""The ablation table in text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgesim.report.table import text_table

if TYPE_CHECKING:
    from edgesim.ir.ablation import Ablation

HEADER = (
    "added", "dev, float32", "in format", "exit layer", "encoder zeros", "embedding zeros",
    "mean span", "heads off", "stored MB", "against float32", "latency", "energy", "factor",
    "scaled: latency", "scaled: energy",
)  # fmt: skip


def ablation_text(ablation: Ablation) -> str:
    """The rows from dense to the full recipe, each on top of those before it."""
    rows = [
        (
            row.adds,
            f"{100 * row.accuracy:.1f} %",
            "" if row.accuracy_in_format is None else f"{100 * row.accuracy_in_format:.1f} %",
            f"{row.average_exit_layer:.2f}",
            f"{100 * row.encoder_zero_fraction:.1f} %",
            f"{100 * row.embedding_zero_fraction:.1f} %",
            f"{row.mean_span_tokens:.1f}",
            str(row.num_heads_off),
            f"{row.stored_bytes / 1e6:.2f}",
            f"{row.float32_ratio:.1f}x",
            f"{1e3 * row.latency_s:.3f} ms",
            f"{1e6 * row.energy_j:.1f} µJ",
            f"{row.energy_factor:.2f}x",
            f"{1e3 * row.scaled_latency_s:.3f} ms",
            f"{1e6 * row.scaled_energy_j:.1f} µJ",
        )
        for row in ablation.rows
    ]
    last = ablation.rows[-1]
    return "\n\n".join(
        [
            f"{ablation.model} on {ablation.chip}, {ablation.num_sentences} dev sentences, batch "
            f"1, own lengths, nominal speed; weights and activations in {ablation.number_format}; "
            f"scaled: voltage and clock lowered behind layer 1 within {ablation.latency_target}",
            text_table(HEADER, rows),
            f"Energy from the first row to the last: {ablation.energy_ratio:.2f}x less at nominal "
            f"speed, {ablation.scaled_energy_ratio:.2f}x less with voltage scaling in the last row "
            f"alone ({100 * last.scaled_accuracy:.1f} % right).",
        ]
    )
