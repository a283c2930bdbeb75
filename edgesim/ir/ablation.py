"""What each technique of a recipe gives: cumulative rows on one chip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class AblationRow:
    """One row: what was added, and what it gives on the dev set and on the chip."""

    adds: str
    accuracy: float
    """Of the last ramp, or with exits where they are on; activations in float32."""
    accuracy_in_format: float | None
    """Last ramp with weights and operands of products in the format; None with exits."""
    average_exit_layer: float
    encoder_zero_fraction: float
    embedding_zero_fraction: float
    mean_span_tokens: float
    """Over the heads of the first row; removed heads count 0, whole sentences the longest one."""
    num_heads_off: int
    stored_bytes: int
    """Codes of all weights, packed with a bit of mask per element where that takes less."""
    float32_ratio: float
    """Bytes of the first row's weights in float32 over `stored_bytes`."""
    latency_s: float
    energy_j: float
    energy_factor: float
    """Energy of the row before over that of this one."""
    scaled_accuracy: float
    """With voltage scaling: forecast exits may answer otherwise than `accuracy`."""
    scaled_latency_s: float
    scaled_energy_j: float


@dataclass(frozen=True)
class Ablation:
    """The rows of a model on a chip."""

    model: str
    chip: str
    number_format: str
    num_sentences: int
    latency_target: str
    """What voltage scaling may use up, in words."""
    rows: tuple[AblationRow, ...]

    @property
    def energy_ratio(self) -> float:
        """Energy of the first row over that of the last, both at nominal speed."""
        return self.rows[0].energy_j / self.rows[-1].energy_j

    @property
    def scaled_energy_ratio(self) -> float:
        """Energy of the first row at nominal speed over that of the last with voltage scaling."""
        return self.rows[0].energy_j / self.rows[-1].scaled_energy_j

    def to_json(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {
            "model": self.model, "chip": self.chip, "format": self.number_format,
            "num_sentences": self.num_sentences, "latency_target": self.latency_target,
            "energy_ratio": self.energy_ratio, "scaled_energy_ratio": self.scaled_energy_ratio,
            "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip
