"""Clock cycles of one op with nothing else running, by the engine that plays whole models."""

from __future__ import annotations

from collections.abc import Mapping

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim import kernels
from edgesim.sim.vector_unit import program_cycles
from edgesim.units import ceil_div

_OPS = {
    "matmul": ("m", "k", "n"),
    "softmax": ("m", "k"),
    "layernorm": ("m", "k"),
    "elemadd": ("m", "k"),
    "entropy": ("m", "k"),
}


def op_cycles(op: str, shape: Mapping[str, int], chip: AcceleratorSpec) -> int:
    """Cycles from the start of an op to its done signal; operands are on chip.

    `matmul` takes m rows, n columns and the reduction k; `softmax, layernorm, elemadd, entropy`
    m rows of k elements. Configuration writes and the interrupt are not counted. Raises
    InputError for an unknown op or a dimension that is missing, foreign or not positive.
    """
    if op not in _OPS:
        raise InputError(f"op {op!r}; allowed: {', '.join(_OPS)}")
    wanted = _OPS[op]
    if set(shape) != set(wanted) or any(int(shape[name]) < 1 for name in wanted):
        raise InputError(f"{op}: shape {dict(shape)}; give positive {', '.join(wanted)}")
    n = chip.pu.vector_size
    if op != "matmul":
        kind = "add" if op == "elemadd" else op
        return program_cycles(chip.sfu, kind, shape["m"], ceil_div(shape["k"], n))
    pu = chip.pu
    state = kernels.new_state()
    kernels.advance_tiles(
        state, ceil_div(shape["m"], n) * ceil_div(shape["n"], n), ceil_div(shape["k"], n), n, n,
        ceil_div(n, pu.drain_vectors_per_cycle), pu.operand_tile_buffers, pu.accumulator_buffers,
        0, True,
    )  # fmt: skip
    return int(state[kernels.DRAIN_END]) + pu.pipeline_fill_cycles
