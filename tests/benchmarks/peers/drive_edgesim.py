"""The same layer on edgesim: its 30 products on `edgebert-n16`, every one of them played.

Prints one JSON line. Dense weights, nothing sparse to skip; the mapping is fixed before the clock
starts. `alone` times each product by itself, `products` the products of the layer with weights
streaming from memory and the host's commands, `layer` all of its ops. Needs `tests` on PYTHONPATH.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from layer import PRODUCTS
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.mapping.planner import Mapper
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology
from edgesim.units import period_ticks

REPEATS = 5


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of the first call and the median of the next."""
    seconds = []
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return {"first_s": seconds[0], "again_s": statistics.median(seconds[1:])}


def alone(chip: AcceleratorSpec) -> dict[str, int]:
    """Cycles of every distinct product with its operands on chip."""
    return {
        p.name: es.op_cycles("matmul", {"m": p.rows, "k": p.reduction, "n": p.columns}, chip)
        for p in PRODUCTS
    }


def accounts(log: EventLog, period: int) -> dict[str, int]:
    """Cycles of a log: total, array busy, and host at work while the array is not."""
    busy = log.busy_ticks("pu")
    either = log.busy_ticks("pu", "host")
    return {
        "cycles": log.duration_ticks // period, "busy": busy // period,
        "host": (either - busy) // period, "waiting": (log.duration_ticks - either) // period,
    }  # fmt: skip


def traffic(plan: SegmentPlan) -> dict[str, int]:
    """Bits that move between the chip and its storage: weights, and activations that spill."""
    weights = sum(c.stored_bits * op.weight_passes for op in plan.ops for c in op.chunks)
    moves = [move for op in plan.ops for move in (*op.loads, *op.stores, *op.entry_stores)]
    return {"weight_bits": weights, "spill_bits": sum(move.bits * move.passes for move in moves)}


def main() -> None:
    """Time and account for the products alone, together, and within their layer."""
    chip, technology = toy_chip("edgebert-n16"), load_technology()
    shape = BertShape(width=768, heads=12, hidden=3072, layers=1, exits=False)
    plan = Mapper(bert_like(shape), chip).layer(1, 128)
    products = replace(plan, ops=tuple(op for op in plan.ops if op.unit == "pu"))
    macs = sum(op.rows * op.reduction * op.columns * op.repeats for op in products.ops)
    period = period_ticks(chip.clock.frequency_hz)

    def play(what: SegmentPlan) -> Callable[[], EventLog]:
        return lambda: simulate_segment(what, chip, technology)

    content: dict[str, object] = {"macs": macs}
    content["alone"] = {**timed(lambda: alone(chip)), "cycles": alone(chip)}
    for name, what in (("products", products), ("layer", plan)):
        content[name] = {**timed(play(what)), **accounts(play(what)(), period), **traffic(what)}
    print(json.dumps(content))


if __name__ == "__main__":
    main()
