"""A trace of one layer and runs over it, small enough to price by hand."""

from __future__ import annotations

import numpy as np

from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventRecorder
from edgesim.ir.ops import MatMul, Softmax
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.run import Segment, SimulationRun
from edgesim.ir.size import SEQUENCE, Size

PS_PER_NS = 1000


def toy_chip(name: str = "edgebert-n16", **overrides: object) -> AcceleratorSpec:
    """A shipped chip, with overrides given as section__key."""
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    chip = load_chip(name, dotted)
    assert isinstance(chip, AcceleratorSpec)
    return chip


def toy_trace() -> OpTrace:
    """One layer: a product named `mm` and a softmax named `soft`."""
    tensors = {
        "x": Tensor("x", "activation", (SEQUENCE, Size(16))),
        "y": Tensor("y", "activation", (SEQUENCE, Size(16))),
        "w": Tensor("w", "encoder_weight", (Size(16), Size(16))),
        "p": Tensor("p", "activation", (SEQUENCE, Size(16))),
    }
    ops = (MatMul("mm", ("x",), "y", "w", None), Softmax("soft", ("y",), "p"))
    return OpTrace("toy", "Toy", (), (Layer(1, ops),), (), tensors, ("p",), 64, {})


def toy_segment(label: str = "layer 1", scale: int = 1) -> Segment:
    """A segment with every unit of the accelerator at work, 100 ns times `scale`."""
    recorder = EventRecorder()
    ns = PS_PER_NS * scale
    recorder.add(0, 2 * ns, "host", "issue", "mm")
    recorder.add(2 * ns, 20 * ns, "lpddr4", "read", "mm", count=1, bits=4096 * scale)
    recorder.add(2 * ns, 2 * ns, "lpddr4", "activate", "mm", count=1 * scale)
    recorder.add(2 * ns, 20 * ns, "dma", "transfer", "mm", count=1, bits=4096 * scale)
    recorder.add(20 * ns, 52 * ns, "pu", "busy", "mm", count=32 * scale)
    recorder.add(20 * ns, 20 * ns, "pu", "mac", "mm", count=8000 * scale)
    recorder.add(20 * ns, 20 * ns, "pu", "mac_gated", "mm", count=192 * scale)
    recorder.add(20 * ns, 20 * ns, "pu", "activation", "mm", count=256 * scale)
    recorder.add(20 * ns, 52 * ns, "operand0", "data_read", "mm", bits=4096 * scale)
    recorder.add(20 * ns, 52 * ns, "operand1", "mask_read", "mm", bits=512 * scale)
    recorder.add(20 * ns, 52 * ns, "operand1", "data_write", "mm", bits=2048 * scale)
    recorder.add(52 * ns, 92 * ns, "sfu", "softmax", "soft", count=256 * scale)
    recorder.add(52 * ns, 92 * ns, "auxiliary", "read", "soft", bits=128 * scale)
    recorder.add(92 * ns, 95 * ns, "host", "decide", "barrier")
    return Segment(label, 1, recorder.freeze(label, 100 * ns), 5 * ns)


def toy_run(
    *sentences: tuple[int, ...], segments: tuple[Segment, ...] | None = None
) -> SimulationRun:
    """A run of sentences over two segments, `layer 1` and `layer 2` of twice the length."""
    chosen = segments or (toy_segment(), toy_segment("layer 2", scale=2))
    sequences = sentences or ((0,), (0, 1), (0, 1, 1))
    count = len(sequences)
    return SimulationRun(
        chosen, sequences, np.full(count, 1), np.full(count, 16), np.zeros(count, dtype=np.int64)
    )
