"""What studies of one model's weights share: their table and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Study:
    """Base of dataclasses with `rows` (dataclasses too, with `correct`) and `num_sentences`."""

    def to_frame(self) -> pd.DataFrame:
        """The rows; the accuracy, a fraction, behind the right answers where there are any."""
        import pandas as pd

        content = self._content()
        frame = pd.DataFrame(list(content["rows"]))
        if content["num_sentences"] is not None:
            place = list(frame.columns).index("correct") + 1
            frame.insert(place, "accuracy", frame.correct / content["num_sentences"])
        return frame

    def to_json(self, command: str | None = None) -> Mapping[str, Any]:
        """The rows, and under `_meta` how they were made."""
        meta = self._content()
        rows = list(meta.pop("rows"))
        return {"_meta": meta if command is None else {**meta, "command": command}, "rows": rows}

    def _content(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]
