"""Clock cycles of one op with nothing else running, by the models that play whole networks."""

from __future__ import annotations

from collections.abc import Mapping

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim import kernels
from edgesim.sim.artifact.parameters import artifact_of
from edgesim.sim.artifact.product import matmul_cycles
from edgesim.sim.artifact.special_function import special_function_cycles
from edgesim.sim.artifact.transfer import TRANSFERS, transfer_cycles
from edgesim.sim.vector_unit import program_cycles
from edgesim.units import ceil_div

_PRODUCT = {"matmul": ("m", "k", "n")}
_NAMES = {"add": "elemadd"}
"""Special functions that go by another name than their op kind."""
_ARTIFACT_OPS = {"dvfs": ("m",), **dict.fromkeys(TRANSFERS, ("m",))}


def op_cycles(op: str, shape: Mapping[str, int], chip: AcceleratorSpec) -> int:
    """Cycles from the start of an op to its done signal; operands are on chip.

    `matmul` takes m rows, n columns and the reduction k; a special function of the chip
    (`softmax, layernorm, elemadd, entropy`) m rows of k elements. A chip with an artifact section
    also knows `dvfs` (m decisions) and the `axi_…` transfers of m rows of n entries (k, if given,
    is n). Configuration writes and the interrupt are not counted. Raises InputError for an unknown
    op, a dimension that is missing, foreign or not positive, or a command that the artifact's
    registers and memories cannot hold.
    """
    kinds = {_NAMES.get(kind, kind): kind for kind in chip.sfu.programs}
    known: dict[str, tuple[str, ...]] = {**_PRODUCT, **dict.fromkeys(kinds, ("m", "k"))}
    if chip.artifact is not None:
        known |= _ARTIFACT_OPS
    if op not in known:
        raise InputError(f"op {op!r}; allowed on {chip.name}: {', '.join(known)}")
    wanted = known[op]
    if op in TRANSFERS and shape.get("k") == chip.pu.vector_size:
        shape = {name: size for name, size in shape.items() if name != "k"}
    if set(shape) != set(wanted) or any(int(shape[name]) < 1 for name in wanted):
        raise InputError(f"{op}: shape {dict(shape)}; give positive {', '.join(wanted)}")
    if op in TRANSFERS:
        return transfer_cycles(chip, op, shape["m"])
    if op == "dvfs":
        return shape["m"] * artifact_of(chip).special_functions.dvfs_cycles
    if op == "matmul":
        return _product_cycles(shape, chip)
    vectors = ceil_div(shape["k"], chip.pu.vector_size)
    kind = kinds[op]
    if chip.artifact is not None and chip.sfu.schedule == "fsm":
        return special_function_cycles(chip, kind, shape["m"], vectors)
    return program_cycles(chip.sfu, kind, shape["m"], vectors)


def _product_cycles(shape: Mapping[str, int], chip: AcceleratorSpec) -> int:
    """Cycles of a product, on the artifact's path or on the tile pipeline."""
    pu, n = chip.pu, chip.pu.vector_size
    if chip.artifact is not None and pu.schedule == "artifact":
        return matmul_cycles(chip, shape["m"], shape["k"], shape["n"])
    state = kernels.new_state()
    kernels.advance_tiles(
        state, ceil_div(shape["m"], n) * ceil_div(shape["n"], n), ceil_div(shape["k"], n), n, n,
        ceil_div(n, pu.drain_vectors_per_cycle), pu.operand_tile_buffers, pu.accumulator_buffers,
        0, True,
    )  # fmt: skip
    return int(state[kernels.DRAIN_END]) + pu.pipeline_fill_cycles
