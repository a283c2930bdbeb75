"""What was shown about a lowered trace: that it computes what the module computes."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 1e-4
"""Largest difference that a proof allows, relative to `Proof.difference`'s measure."""
UNPROVED = "lowering is not proved: the trace was not held against its module"


@dataclass(frozen=True)
class Proof:
    """A trace and its module, executed on the same sentences in float32."""

    lengths: tuple[int, ...]
    """Tokens of the sentences; the first is the caller's."""
    difference: float
    """Largest difference of an output, over the largest magnitude among that output in all
    sentences and the operands of its last op; rounded up to a power of ten."""
    remarks: tuple[str, ...] = ()
    """What the proof leaves open, such as lengths at which the module cannot run."""

    def words(self) -> str:
        """The proof in one line."""
        lengths = [str(n) for n in self.lengths]
        listed = " and ".join(filter(None, (", ".join(lengths[:-1]), lengths[-1])))
        line = (
            f"lowering is proved against its module at {listed} tokens: outputs differ by less "
            f"than {self.difference:.0e} of their largest value"
        )
        return "; ".join((line, *self.remarks))


def proof_words(proof: Proof | None) -> str:
    """A line for a report about a trace's proof, or about its absence."""
    return UNPROVED if proof is None else proof.words()
