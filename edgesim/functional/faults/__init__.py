"""Faulty memories: cells that are read as another level, and what that does to stored tensors."""

from edgesim.functional.faults.activations import FaultyActivations
from edgesim.functional.faults.cells import CODINGS, CellFaults, cell_faults, media, widened_to
from edgesim.functional.faults.injection import Damage, damage
from edgesim.functional.faults.stored import StoredTensor, store

__all__ = [
    "CODINGS",
    "CellFaults",
    "Damage",
    "FaultyActivations",
    "StoredTensor",
    "cell_faults",
    "damage",
    "media",
    "store",
    "widened_to",
]
