"""Run by ZigZag's own Python: each product with edgesim's loop nest given, nothing searched.

Prints one CSV row per product: cycles, and the bits that each operand moves between SRAM and
array; `edgesim validate` compares itself with them. The loop nest, inner to outer: n rows, the
reduction, columns, rows; n x n accumulators stay with the array until their sums are complete.
The SRAM is large enough for all operands, and loading it from DRAM is left out.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any, cast

from drive_zigzag import accelerator, mapping, workload
from layer import ARRAY, PRODUCTS, Product

ACCUMULATOR_BITS = 32
SRAM_BITS = 16 * 2**20 * 8
WORD_BITS = ARRAY * ARRAY * 8
"""Of the SRAM's ports; ZigZag counts words."""


def accelerator_with_room() -> dict[str, Any]:
    """The accelerator of `drive_zigzag` with n rows of sums per column and a large SRAM."""
    chip: Any = accelerator()
    memories = chip["memories"]
    memories["accumulator"]["size"] = ARRAY * ACCUMULATOR_BITS
    memories["sram"]["size"] = SRAM_BITS
    return chip  # type: ignore[no-any-return]


def evaluated(number: int, product: Product) -> Any:
    """ZigZag's evaluation of one product under the given order of loops."""
    from zigzag.api import get_hardware_performance_zigzag

    sizes = (product.reduction, product.columns, product.rows)
    loops = [(name, size // ARRAY) for name, size in zip("CKB", sizes, strict=True)]
    one, work = cast("list[dict[str, Any]]", mapping()), cast("list[Any]", workload())[number]
    one[0]["temporal_ordering"] = [["B", ARRAY], *([name, size] for name, size in loops)]
    work |= {"id": 0, "operand_source": {"W": 0, "I": 0}}
    Path("map.yaml").write_text(json.dumps(one))
    Path("work.yaml").write_text(json.dumps([work]))
    with contextlib.redirect_stdout(sys.stderr):
        _, _, found = get_hardware_performance_zigzag(
            "work.yaml", "hw.yaml", "map.yaml", opt="latency", dump_folder="out",
            pickle_filename="out/all.pickle", loma_show_progress_bar=False,
        )  # fmt: skip
    return found[0][1][0][0]


def _way(name: str) -> Any:
    from zigzag.hardware.architecture.memory_port import DataDirection

    return DataDirection(name)


def main() -> None:
    """One run per product, because the order of its loops depends on its sizes."""
    Path("hw.yaml").write_text(json.dumps(accelerator_with_room()))
    print(
        "product,rows,reduction,columns,cycles,input_read_bits,weight_read_bits,output_write_bits"
    )
    for number, product in enumerate(PRODUCTS):
        best = evaluated(number, product)
        moved = {str(operand): levels for operand, levels in best.memory_word_access.items()}
        sram = [moved["I"][0], moved["W"][1]]
        bits = [WORD_BITS * one.get(_way("rd_out_to_low")) for one in sram]
        bits.append(WORD_BITS * moved["O"][1].get(_way("wr_in_by_low")))
        shape = (product.name, product.rows, product.reduction, product.columns)
        print(*shape, int(best.latency_total0), *bits, sep=",")


if __name__ == "__main__":
    main()
