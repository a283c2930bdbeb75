"""Joules of a simulation run: every segment is priced once, then summed over sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.area import estimate_area
from edgesim.energy.costs import Account
from edgesim.energy.ledger import price_segments
from edgesim.energy.rows import breakdown_rows
from edgesim.energy.static import static_powers
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.interval import Interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import BreakdownRow, SourceUse
from edgesim.ir.run import SimulationRun
from edgesim.tech import Technology
from edgesim.tech.provenance import lines_of_kind, source_uses

J_PER_PJ = 1e-12
ASSUMED = (
    "the MAC energy of the processing element may hold part of its buffers; operand memories are "
    "priced in full beside it",
    "host energy is that of its busy cycles; while it waits for the accelerator it costs nothing",
    "ticks in which several ops are in flight belong to the PU's op, else the SFU's, else the "
    "host's: static energy is split by op kind after them",
    "all that is on chip stands behind the regulator; ReRAM and the clock generator keep their "
    "supply when that of logic and SRAM is scaled",
)
NOT_MODELLED = (
    "power-on load, wake-up and idle time between sentences",
    "clock tree beyond the processing element, wires between memory banks",
    "energy of bus protocol, LPDDR4 controller and refresh beyond the published averages",
    "supply generation for ReRAM reads, charge of the supply net in a voltage change",
)


@dataclass(frozen=True, eq=False)
class PricedRun:
    """Energy of every sentence; rows of the arrays are value, low and high, (3, sentences) in J.

    Low and high take all technology entries at the same end.
    """

    chip_energy_j: NDArray[np.float64]
    offchip_energy_j: NDArray[np.float64]
    host_energy_j: NDArray[np.float64]
    segment_energy_j: NDArray[np.float64]
    """Nominal energy of every segment, (segments,)."""
    breakdown: tuple[BreakdownRow, ...]
    """Means per sentence; each of the groups unit, kind and layer sums to the total energy."""
    area_mm2: Interval
    area_parts_mm2: dict[str, Interval]
    sources: tuple[SourceUse, ...]
    assumed: tuple[str, ...]
    fitted: tuple[str, ...]
    not_modelled: tuple[str, ...]

    def accounts(self) -> dict[Account, NDArray[np.float64]]:
        """Joules by account."""
        return {
            "chip": self.chip_energy_j, "offchip": self.offchip_energy_j,
            "host": self.host_energy_j,
        }  # fmt: skip

    @property
    def energy_j(self) -> NDArray[np.float64]:
        """Chip, off-chip memory and host together, (3, sentences)."""
        return self.chip_energy_j + self.offchip_energy_j + self.host_energy_j


def price(
    run: SimulationRun, trace: OpTrace, chip: AcceleratorSpec, technology: Technology
) -> PricedRun:
    """Energy of a run, every segment at its operating point, as in `price_segments`.

    Raises TechnologyError for an action
    without an entry or an entry without a value, InputError for an op that the trace lacks.
    """
    storage_notes = static_powers(chip, technology)[1]
    priced, used = price_segments(run, trace, chip, technology)
    estimate = estimate_area(chip, technology)
    entries = {*used, *estimate.entries}
    per_sentence = sentence_energies(run, priced.accounts())
    return PricedRun(
        chip_energy_j=per_sentence["chip"],
        offchip_energy_j=per_sentence["offchip"],
        host_energy_j=per_sentence["host"],
        segment_energy_j=sum(priced.accounts().values())[:, 0] * J_PER_PJ,  # type: ignore[index]
        breakdown=breakdown_rows(run, priced),
        area_mm2=estimate.total_mm2,
        area_parts_mm2=estimate.parts_mm2,
        sources=source_uses(technology, entries),
        assumed=(*ASSUMED, *storage_notes, *lines_of_kind(technology, entries, "assumed")),
        fitted=lines_of_kind(technology, entries, "fitted"),
        not_modelled=(*NOT_MODELLED, *estimate.not_modelled),
    )


def sentence_energies(
    run: SimulationRun, accounts: Mapping[Account, NDArray[np.float64]]
) -> dict[Account, NDArray[np.float64]]:
    """Joules of every sentence by account, (3, sentences), from pJ per segment (segments, 3)."""
    return {account: _over_sentences(run, cells) * J_PER_PJ for account, cells in accounts.items()}


def _over_sentences(run: SimulationRun, cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Segment energies (segments, 3) summed along every sentence, (3, sentences)."""
    sequences, of_sentence = run.sequences
    flat, owner = run.steps
    sums = np.zeros((len(sequences), 3))
    np.add.at(sums, owner, cells[flat])
    return sums[of_sentence].T
