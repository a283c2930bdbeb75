"""Results shaped like those of the pipeline, from plain figures so that tests know every sum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgesim.ir.interval import ZERO, Interval
from edgesim.ir.result import (
    BreakdownRow,
    LayerBottleneck,
    RooflinePoint,
    SentenceRow,
    SimResult,
    SourceUse,
)

NUM_LAYERS = 6
NUM_SENTENCES = 40
UNITS = {
    "pu": ("chip", 0.30), "operand0": ("chip", 0.16), "operand1": ("chip", 0.09),
    "auxiliary": ("chip", 0.01), "sfu": ("chip", 0.03), "dma": ("chip", 0.012),
    "logic leakage": ("chip", 0.04), "adpll": ("chip", 0.006), "ldo": ("chip", 0.05),
    "reram_mlc2": ("chip", 0.002), "lpddr4": ("offchip", 0.26), "host": ("host", 0.04),
}  # fmt: skip
GPU_UNITS = {"gpu": ("chip", 0.62), "soc": ("chip", 0.13), "ddr": ("offchip", 0.25)}
KINDS = {
    "matmul": 0.66, "attention_scores": 0.06, "attention_context": 0.06, "softmax": 0.08,
    "layernorm": 0.05, "add": 0.04, "activation": 0.003, "embedding": 0.012, "pool": 0.004,
    "relayout": 0.011, "entropy": 0.005, "exit_check": 0.005, "waiting": 0.01,
}  # fmt: skip
GPU_KINDS = {
    "matmul": 0.40, "attention_scores": 0.07, "attention_context": 0.07, "softmax": 0.07,
    "layernorm": 0.11, "add": 0.11, "activation": 0.06, "embedding": 0.03, "pool": 0.02,
    "sync": 0.06,
}  # fmt: skip
ROOFLINE = (
    ("matmul", 240e6, 5.4e6, 0.66), ("attention_scores", 6e6, 0.0, 0.06),
    ("attention_context", 6e6, 20e3, 0.06), ("softmax", 0.0, 0.0, 0.08),
    ("embedding", 0.0, 9e3, 0.012),
)  # fmt: skip
EARLY_EXIT_SHARES = (0.35, 0.25, 0.15, 0.1, 0.1, 0.05)


def accelerator_result(
    chip: str = "edgebert-n16", energy_j: float = 1.9e-3, latency_s: float = 2.4e-3,
    exit_threshold: float | None = None, **changes: Any,
) -> SimResult:  # fmt: skip
    """An accelerator's result; with a threshold, sentences leave by EARLY_EXIT_SHARES."""
    result = _result(chip, energy_j, latency_s, (UNITS, KINDS), exit_threshold)
    latency = result.latency_s.value
    depth = latency / latency_s
    result = replace(
        result, latency_s=Interval.exact(latency),
        schedule_range_s={"fsm": 1.4 * latency, "pipelined": latency, "fsm_ii": 1.2 * latency},
        area_mm2=Interval(1.4, 1.2, 1.7),
        area_parts_mm2={"pu": Interval(0.5, 0.4, 0.6), "buffers": Interval(0.9, 0.8, 1.1)},
        bottlenecks=tuple(_bottleneck(f"layer {i}", latency) for i in range(1, NUM_LAYERS + 1)),
        roofline=tuple(
            RooflinePoint(name, macs * depth, traffic * (0.9 * depth + 0.1), share * latency)
            for name, macs, traffic, share in ROOFLINE
        ),
        assumed=("weights rest in LPDDR4", f"{chip}: pointers cost 64 | 32 bits"),
        fitted=("SRAM energy is fitted to two published geometries",),
        not_modelled=("power-on load", "clock tree"),
        notes=("embedding_weight: 4.0 MiB spilled to lpddr4",),
    )  # fmt: skip
    return replace(result, **changes)


def gpu_result(
    energy_j: float = 61e-3, latency_s: float = 9.5e-3, exit_threshold: float | None = None,
    precision: str = "fp16", **changes: Any,
) -> SimResult:  # fmt: skip
    """A GPU's result: no area, no roofline points, no host energy, other units and kinds."""
    result = _result("tx2-maxn", energy_j, latency_s, (GPU_UNITS, GPU_KINDS), exit_threshold)
    result = replace(
        result, chip_kind="gpu", settings={**result.settings, "precision": precision},
        bottlenecks=(), peak_macs_per_s=0.33e12, memory_bytes_per_s=58e9, notes=(),
        operating_points=(), spilled_bytes=0.0,
        not_modelled=("area of the GPU", "power-on load"),
    )  # fmt: skip
    return replace(result, **changes)


def demo_results() -> list[SimResult]:
    """Exit off, exit on, and the GPU with the same exits."""
    return [accelerator_result(), accelerator_result(exit_threshold=0.28),
            gpu_result(exit_threshold=0.28)]  # fmt: skip


def _result(
    chip: str, energy_j: float, latency_s: float,
    shares: tuple[dict[str, tuple[str, float]], dict[str, float]], exit_threshold: float | None,
) -> SimResult:  # fmt: skip
    exits = _exit_layers(exit_threshold)
    depth = float(np.mean(exits)) / NUM_LAYERS
    energy = Interval(energy_j, 0.8 * energy_j, 1.3 * energy_j).scaled(depth)
    latency = Interval(latency_s, 0.7 * latency_s, 1.5 * latency_s).scaled(depth)
    accounts = {
        account: energy.scaled(sum(share for mine, share in shares[0].values() if mine == account))
        for account in ("chip", "offchip", "host")
    }
    sentences = _sentences(exits, energy_j, latency_s, shares[0])
    return SimResult(
        chip=chip, model="minilm-sst2-ee", chip_kind="accelerator",
        settings={"exit_threshold": exit_threshold, "pad_to": None, "arithmetic": "float32"},
        num_sentences=len(exits), accuracy=0.9, accuracy_low=0.769, accuracy_high=0.960,
        average_exit_layer=float(np.mean(exits)), num_layers=NUM_LAYERS,
        latency_s=latency, energy_j=energy, chip_energy_j=accounts["chip"],
        offchip_energy_j=accounts["offchip"],
        host_energy_j=accounts["host"] if accounts["host"].value else ZERO,
        ideal_latency_s=0.6 * latency.value, area_mm2=None, area_parts_mm2={},
        sentences=sentences, breakdown=_breakdown(energy, latency.value, shares),
        bottlenecks=(), roofline=(), peak_macs_per_s=256e9, memory_bytes_per_s=8e9,
        spilled_bytes=4.0 * 2**20, traffic_over_compulsory=1.25, schedule_range_s={},
        operating_points=("1 GHz at 0.8 V",),
        sources=(
            SourceUse("lpddr4.read_energy", 4.0, 2.5, 6.0, "pJ/bit", "published", "a | b, 2019"),
            SourceUse("host.energy", None, None, None, "pJ", "assumed", "no figure found"),
        ),
        assumed=("launch overhead",), fitted=(), not_modelled=(),
        inputs={"trace": "a1" * 32, "workload": "b2" * 32},
    )  # fmt: skip


def _exit_layers(exit_threshold: float | None) -> list[int]:
    if exit_threshold is None:
        return [NUM_LAYERS] * NUM_SENTENCES
    counts = [round(share * NUM_SENTENCES) for share in EARLY_EXIT_SHARES]
    return [layer for layer, count in enumerate(counts, start=1) for _ in range(count)]


def _sentences(
    exits: list[int], energy_j: float, latency_s: float, units: dict[str, tuple[str, float]]
) -> tuple[SentenceRow, ...]:
    share = {
        account: sum(part for mine, part in units.values() if mine == account)
        for account in ("chip", "offchip", "host")
    }
    return tuple(
        SentenceRow(
            num_tokens=10 + index % 20, exit_layer=layer, latency_s=latency_s * layer / NUM_LAYERS,
            energy_j=energy_j * layer / NUM_LAYERS,
            chip_energy_j=energy_j * layer / NUM_LAYERS * share["chip"],
            offchip_energy_j=energy_j * layer / NUM_LAYERS * share["offchip"],
            host_energy_j=energy_j * layer / NUM_LAYERS * share["host"],
            prediction=1 if index % 10 == 0 else index % 2, label=0 if index % 10 == 0
            else index % 2,
        )
        for index, layer in enumerate(exits)
    )  # fmt: skip


def _breakdown(
    energy: Interval, latency_s: float,
    shares: tuple[dict[str, tuple[str, float]], dict[str, float]],
) -> tuple[BreakdownRow, ...]:  # fmt: skip
    units, kinds = shares
    layers = {"embedding": 0.04, **{f"layer {i}": 0.16 for i in range(1, NUM_LAYERS + 1)}}
    return (
        *(BreakdownRow("unit", name, energy.scaled(share), 0.5 * latency_s * share, account)
          for name, (account, share) in units.items()),
        *(BreakdownRow("kind", name, energy.scaled(share), latency_s * share)
          for name, share in kinds.items()),
        *(BreakdownRow("layer", name, energy.scaled(share), latency_s * share)
          for name, share in layers.items()),
    )  # fmt: skip


def _bottleneck(layer: str, latency_s: float) -> LayerBottleneck:
    return LayerBottleneck(
        layer, "reads from lpddr4 (DMA exposed 38%)", 0.16 * latency_s, 0.55, 0.11, 0.92, 0.38
    )
