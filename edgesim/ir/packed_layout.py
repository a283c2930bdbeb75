"""PackedLayout: where the elements of a weight tensor lie in its stored form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PackedLayout:
    """A tensor as vectors of n lanes in the order in which a decoder scans them.

    Non-zeros of a lane are packed behind each other in the lane's bank, in scan order; packing
    starts anew with every block. A decoder reads the mask bits of a vector and takes, for each set
    bit, the next code of that lane. A dense tensor has no mask: its vectors are rows of codes.
    """

    name: str
    shape: tuple[int, ...]
    element_of: NDArray[np.int32]
    """(vectors, n): index into the flattened tensor; -1 where a vector is padded."""
    block_starts: NDArray[np.int64]
    """(blocks + 1,): first vector of each block, and the number of vectors."""
    masked: bool = True
    """Whether zeros are left out behind a bitmask."""

    @property
    def vector_size(self) -> int:
        """Lanes, n."""
        return int(self.element_of.shape[1])

    @property
    def num_blocks(self) -> int:
        """Blocks that are packed for themselves."""
        return len(self.block_starts) - 1
