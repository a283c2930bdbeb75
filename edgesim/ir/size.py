"""Sizes that depend on the sequence length S."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgesim.errors import InputError

_PATTERN = re.compile(r"^(?:(\d+)\*)?S(?:\+(\d+))?$")


@dataclass(frozen=True)
class Size:
    """A dimension `per_token * S + fixed`; a plain number has `per_token` 0."""

    fixed: int = 0
    per_token: int = 0

    def at(self, num_tokens: int) -> int:
        """The dimension for a sentence of `num_tokens` tokens."""
        return self.per_token * num_tokens + self.fixed

    def times(self, factor: int) -> Size:
        """The dimension multiplied by a plain number."""
        return Size(self.fixed * factor, self.per_token * factor)

    def to_json(self) -> int | str:
        """`768`, `"S"`, `"12*S"` or `"2*S+1"`."""
        if not self.per_token:
            return self.fixed
        head = "S" if self.per_token == 1 else f"{self.per_token}*S"
        return f"{head}+{self.fixed}" if self.fixed else head

    @classmethod
    def from_json(cls, text: int | str) -> Size:
        """Inverse of `to_json`; InputError for anything else."""
        if isinstance(text, int):
            return cls(text)
        match = _PATTERN.match(text)
        if match is None:
            raise InputError(f"size {text!r}: expected a number, 'S', 'a*S' or 'a*S+b'")
        return cls(int(match[2] or 0), int(match[1] or 1))


SEQUENCE = Size(per_token=1)
