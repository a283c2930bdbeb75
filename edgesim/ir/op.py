"""What every op says of itself: which unit runs it, its shapes, extent, tensors and accesses.

Stages read these facts; none of them lists kinds. How an op is executed in an arithmetic is not
said here: every arithmetic keeps a registry of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, NamedTuple

from edgesim.ir.size import Size

Unit = Literal["pu", "sfu", "host", "exit", "none"]
HeadLoop = Literal["", "split", "inside", "join"]
Shape = tuple[Size, ...]
Dims = Callable[[str], tuple[int, ...]]
"""Sizes of a tensor of the trace, by name, at one sentence length."""


class Extent(NamedTuple):
    """Work of an op at one sentence length; rows, reduction and columns are per repeat."""

    rows: int
    reduction: int
    """Reduction length of a product; row length of every other op."""
    columns: int
    repeats: int = 1
    """Heads, or 1."""


@dataclass(frozen=True)
class Op:
    """What every op has: a name (its module path), the tensors it reads and the one it writes."""

    kind: ClassVar[str] = ""
    unit: ClassVar[Unit] = "host"
    """`pu` (array), `sfu` (special function unit, or the host where the chip lacks the op),
    `host`, `exit` (the host reads the exit status), `none` (nothing is computed)."""
    moves: ClassVar[bool] = False
    """Whether the special function unit only moves data: the chip's `vector_ops` name the op;
    every other op of the unit has a program in the chip file."""
    always_on_chip: ClassVar[bool] = False
    """Whether every chip must have the op: the host cannot take it over."""
    num_inputs: ClassVar[int] = 1
    """Activations that the op reads."""
    heads: ClassVar[HeadLoop] = ""
    """Part in the per-head loop: `split` writes a tensor per head, `inside` reads and writes one,
    `join` puts the heads side by side. Tensors between them stay inside the loop."""
    holds_output: ClassVar[bool] = True
    """Whether the output takes room in the operand memories; a single number does not."""
    in_place: ClassVar[bool] = True
    """Whether an output element may take the room of the input element it came from."""
    whole_rows: ClassVar[bool] = False
    """Whether an output element depends on a whole row of the input."""
    reads_operands: ClassVar[bool] = True
    """Whether the unit reads its input from an operand memory."""
    name: str
    inputs: tuple[str, ...]
    """Activation tensors, in order."""
    output: str

    @property
    def weights(self) -> tuple[str, ...]:
        """Weight tensors that the op reads."""
        return ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Weights of a special function, moved to the auxiliary memory before it starts."""
        return () if self.unit == "pu" or self.moves else self.weights

    @property
    def moved_tensors(self) -> tuple[str, ...]:
        """Tensors that cross the memory once where nothing is kept on chip, as on a GPU."""
        return (*self.inputs, self.output, *self.weights)

    @property
    def resident_inputs(self) -> tuple[str, ...]:
        """Activations that take room in the operand memories, tensors of the head loop left out."""
        hidden = {"inside": len(self.inputs), "join": 1}.get(self.heads, 0)
        return self.inputs[hidden:]

    @property
    def resident_output(self) -> str | None:
        """The output if it takes room in the operand memories outside the head loop."""
        return self.output if self.holds_output and self.heads in ("", "join") else None

    @property
    def computed_fraction(self) -> float:
        """Share of the output that the op computes; the rest is zero."""
        return 1.0

    @property
    def in_words(self) -> bool:
        """Whether the special function unit computes with the input instead of moving it."""
        return self.unit == "sfu" and not self.moves

    def extent(self, dims: Dims) -> Extent:
        """Rows and row length of the first input, or of the output where there is none."""
        *rows, width = dims(self.inputs[0] if self.inputs else self.output)
        return Extent(prod(rows), width, width)

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        """Whether the shapes of the op's tensors go together; elementwise: all are equal."""
        return all(shape == output for shape in inputs)

    def wrong_value(self) -> str | None:
        """A word or number of the op that no lowering writes; None for a sound op."""
        return None

    @classmethod
    def written_elements(cls, rows: int, row_elements: int) -> int:
        """Elements that a special function writes for `rows` rows of its input."""
        return rows * row_elements
