"""Run by ZigZag's own Python: each distinct product once, mapping search and re-evaluation.

Prints one JSON line. Works in the current folder.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

from layer import ARRAY, PRODUCTS


def port(name: str, bits: int, *moves: str) -> dict[str, object]:
    """A port that moves up to `bits` a cycle for the given operands."""
    kind = {"r": "read", "w": "write", "rw": "read_write"}[name.partition("_")[0]]
    least = min(bits, 64)
    return {
        "name": name, "type": kind, "bandwidth_min": least, "bandwidth_max": bits,
        "allocation": list(moves),
    }  # fmt: skip


def memory(bits: int, operands: list[str], ports: list[object], served: list[str]) -> object:
    """A memory level; energies are placeholders, latency alone is compared."""
    return {
        "size": bits, "r_cost": 1, "w_cost": 1, "area": 0, "latency": 1, "operands": operands,
        "ports": ports, "served_dimensions": served,
    }  # fmt: skip


def accelerator() -> object:
    """16 x 16 MACs, accumulators per column, 256 KiB SRAM, DRAM behind 64 bits a cycle."""
    accumulator = [
        port("r_port_1", 32, "O, tl"), port("r_port_2", 32, "O, th"),
        port("w_port_1", 32, "O, fh"), port("w_port_2", 32, "O, fl"),
    ]  # fmt: skip
    register = [port("r_port_1", 8, "I2, tl"), port("w_port_1", 8, "I2, fh")]
    wide = ARRAY * ARRAY * 8
    sram = [
        port("rw_port_1", wide, "I1, tl"), port("rw_port_2", wide, "I2, tl"),
        port("rw_port_3", wide, "O, tl", "O, fl"),
        port("rw_port_4", 64, "I1, fh", "I2, fh", "O, fh", "O, th"),
    ]  # fmt: skip
    moves = [f"{operand}, {way}" for operand in ("I1", "I2") for way in ("fh", "tl")]
    outputs = [f"O, {way}" for way in ("fh", "tl", "fl", "th")]
    everything, whole = ["I1", "I2", "O"], ["D1", "D2"]
    return {
        "name": "array",
        "memories": {
            "accumulator": memory(32, ["O"], accumulator, ["D2"]),
            "weight_register": memory(8, ["I2"], register, []),
            "sram": memory(256 * 1024 * 8, everything, sram, whole),
            "dram": memory(10**10, everything, [port("rw_port_1", 64, *moves, *outputs)], whole),
        },
        "operational_array": {
            "input_precision": [8, 8], "unit_energy": 1, "unit_area": 1, "dimensions": whole,
            "sizes": [ARRAY, ARRAY],
        },
    }  # fmt: skip


def workload() -> object:
    """One product per distinct shape."""
    return [
        {
            "id": number, "name": product.name, "operator_type": "Gemm",
            "equation": "O[b][k]+=I[b][c]*W[c][k]", "loop_dims": ["B", "K", "C"],
            "loop_sizes": [product.rows, product.columns, product.reduction],
            "operand_precision": {"W": 8, "I": 8, "O": 32, "O_final": 8},
            "operand_source": {"W": number, "I": number},
        }
        for number, product in enumerate(PRODUCTS)
    ]  # fmt: skip


def mapping() -> object:
    """Output columns across one side of the array, the reduction across the other."""
    links = {"O": "O", "W": "I2", "I": "I1"}
    spread = {"D1": [f"K, {ARRAY}"], "D2": [f"C, {ARRAY}"]}
    return [{"name": "default", "spatial_mapping": spread, "memory_operand_links": links}]


def main() -> None:
    """Search, then evaluate every mapping that was found again."""
    for name, content in (("hw", accelerator()), ("map", mapping()), ("work", workload())):
        Path(f"{name}.yaml").write_text(json.dumps(content))
    from zigzag.api import get_hardware_performance_zigzag
    from zigzag.cost_model.cost_model import CostModelEvaluation

    begin = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        _, _, found = get_hardware_performance_zigzag(
            "work.yaml", "hw.yaml", "map.yaml", opt="latency", dump_folder="out",
            pickle_filename="out/all.pickle", loma_show_progress_bar=False,
        )  # fmt: skip
    search_s = time.perf_counter() - begin
    rows = {}
    for best, _ in found[0][1]:
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            again = CostModelEvaluation(
                accelerator=best.accelerator, layer=best.layer,
                spatial_mapping=best.spatial_mapping, spatial_mapping_int=best.spatial_mapping_int,
                temporal_mapping=best.temporal_mapping,
            )  # fmt: skip
            seconds.append(time.perf_counter() - begin)
        rows[best.layer.name] = {
            "cycles": float(again.latency_total2), "ideal": float(again.ideal_temporal_cycle),
            "load": float(again.data_onloading_cycle), "store": float(again.data_offloading_cycle),
            "evaluation_s": statistics.median(seconds),
        }  # fmt: skip
    print(json.dumps({"search_s": search_s, "products": rows}))


if __name__ == "__main__":
    main()
