"""Run by SCALE-Sim's own Python: one product, named on the command line, weight stationary.

Prints one JSON line. Works in the current folder; writes no traces.
"""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from pathlib import Path

from layer import ARRAY, PRODUCTS

CONFIG = f"""[general]
run_name = run
[architecture_presets]
ArrayHeight = {ARRAY}
ArrayWidth = {ARRAY}
IfmapSramSzkB = 128
FilterSramSzkB = 128
OfmapSramSzkB = 128
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = ws
Bandwidth = 8
ReadRequestBuffer = 32
WriteRequestBuffer = 32
[layout]
IfmapCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterCustomLayout = False
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""
NUM_LAYOUT_COLUMNS = 20


def main() -> None:
    """One product in CALC mode: no stalls for bandwidth, access counts from its traces."""
    product = next(p for p in PRODUCTS if p.name == sys.argv[1])
    Path("array.cfg").write_text(CONFIG)
    shape = (product.name, product.rows, product.columns, product.reduction)
    Path("work.csv").write_text(f"Layer,M,N,K,\n{','.join(map(str, shape))},\n")
    ones = ",".join(["1"] * NUM_LAYOUT_COLUMNS)
    Path("layout.csv").write_text(f"Layer{',x' * NUM_LAYOUT_COLUMNS},\n{product.name},{ones},\n")
    from scalesim.scale_sim import scalesim

    with contextlib.redirect_stdout(sys.stderr):
        simulation = scalesim(
            save_disk_space=True, verbose=False, config="array.cfg", topology="work.csv",
            layout="layout.csv", input_type_gemm=True,
        )  # fmt: skip
        simulation.run_scale(top_path=".")
    with Path("run/COMPUTE_REPORT.csv").open() as report:
        head, row = list(csv.reader(report))[:2]
    print(json.dumps({name.strip(): cell.strip() for name, cell in zip(head, row, strict=True)}))


if __name__ == "__main__":
    main()
