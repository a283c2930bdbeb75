"""`make bench`: how long edgesim takes, beside what it may take, in one run on this machine.

Every evaluation starts from an empty simulator, so no result of one repeats in the next. Ratios
between rows hold within one run only; a loaded machine makes all of them larger. Needs `tests` on
PYTHONPATH, which `make bench` puts there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_sweep import sweep_rows
from machine import Row, find_byte_code, machine_text, measured, table_text
from toy_traces import ALBERT_BASE, BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.functional.chip.operands import operands_of
from edgesim.functional.chip.products import accumulate
from edgesim.functional.chip.profile import profile_of
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.optrace import OpTrace
from edgesim.mapping.planner import Mapper
from edgesim.numerics import AdaptivFloat
from edgesim.pipeline.arithmetic import answered
from edgesim.sim import kernels
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology, load_technology

CHIP = "edgebert-n16"
MODEL = "minilm-sst2-ee"
THRESHOLD = 0.24
NUM_TOKENS = 128
DENSITY = 0.5
BERT_BASE = BertShape(width=768, heads=12, hidden=3072, layers=12, vocabulary=30522)
SHAPES = {"BERT-base": BERT_BASE, "ALBERT-base": ALBERT_BASE}
LIMIT_S = 120.0


def median_s(work: Callable[[], Any], repeats: int) -> float:
    """Median seconds of `repeats` calls."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def trace_of(name: str) -> OpTrace:
    """BERT-base or ALBERT-base from IR ops, weights with random masks."""
    return bert_like(replace(SHAPES[name], exits=False, density=DENSITY))


def evaluate(
    mapper: Mapper, chip: AcceleratorSpec, technology: Technology, every_tile: bool = False
) -> int:
    """Latency in ticks of one sentence, from an empty simulator on the given mapping."""
    layers = np.array([mapper.trace.num_layers])
    simulator = WorkloadSimulator(mapper, chip, technology, every_tile=every_tile)
    run = simulator.run(np.array([NUM_TOKENS]), layers, "last")
    return int(run.latency_ticks()[0])


# rows --------------------------------------------------------------------------------------------


def kernel_rows(repeats: int) -> list[Row]:
    """Nanoseconds per tile of the tile kernel, every tile played."""
    outputs, reduction = 20_000, 48

    def work() -> None:
        kernels.advance_tiles(
            kernels.new_state(), outputs, reduction, 16, 16, 16, 2, 2, 0, False
        )  # fmt: skip

    work()
    return [
        Row(
            "tile kernel, every tile played", median_s(work, repeats) / (outputs * reduction) * 1e9,
            "ns/tile", 10,
        )
    ]  # fmt: skip


def model_rows(name: str, target_ms: float, repeats: int) -> list[Row]:
    """One full-size model at S=128 on one fixed mapping, cold and warm, with and without skip."""
    chip, technology = toy_chip(CHIP), load_technology()
    trace = trace_of(name)
    mapper = Mapper(trace, chip)
    label = f"{name}, 12 layers, S={NUM_TOKENS}"
    latency = evaluate(mapper, chip, technology)
    warm = median_s(lambda: evaluate(mapper, chip, technology), repeats)
    same = evaluate(mapper, chip, technology, every_tile=True) == latency
    played = median_s(lambda: evaluate(mapper, chip, technology, every_tile=True), repeats)
    if not same:
        raise SystemExit(f"{name}: the closed-form steady state changes the latency")
    mapped = median_s(lambda: evaluate(Mapper(trace, chip), chip, technology), max(1, repeats // 3))
    cold = statistics.median(_cold_s(name) for _ in range(3))
    return [
        Row(f"{label}: fixed mapping, warm", warm * 1e3, "ms", target_ms),
        Row(f"{label}: fixed mapping, cold process", cold * 1e3, "ms", target_ms,
            "first in its process; imports and mapping before it not counted"),
        Row(f"{label}: fixed mapping, every tile played",
            played * 1e3, "ms", target_ms,
            "no closed-form steady state; same latency"),
        Row(f"{label}: counting masks, mapping and evaluation", mapped * 1e3, "ms", None,
            "for orientation: masks counted anew each time"),
        Row(f"{label}: simulated latency", latency / 1e9, "ms", None, "simulated, not measured"),
    ]  # fmt: skip


def _cold_s(name: str) -> float:
    """Seconds of the first evaluation in a process of its own."""
    done = _child("--cold", name)
    return float(json.loads(done.output)["seconds"])


def _child(*arguments: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), *arguments]
        done = measured(command, Path(folder), LIMIT_S)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.errors}")
    return done


def print_cold(name: str) -> None:
    """Print the seconds of this process's first evaluation."""
    chip, technology = toy_chip(CHIP), load_technology()
    mapper = Mapper(trace_of(name), chip)
    for index in range(1, mapper.trace.num_layers + 1):
        mapper.layer(index, NUM_TOKENS)
    print(json.dumps({"seconds": median_s(lambda: evaluate(mapper, chip, technology), 1)}))


def arithmetic_rows(repeats: int) -> list[Row]:
    """Encoding, and products of codes from codes to codes, on one core."""
    random = np.random.default_rng(0)
    number_format = AdaptivFloat(8, 3)
    values = random.standard_normal(2**23).astype(np.float32)
    bias = number_format.bias_for(values)
    number_format.encode(values, bias)
    seconds = median_s(lambda: number_format.encode(values, bias), repeats)
    rows = [
        Row("encode AdaptivFloat<8,3>", values.size / seconds / 1e6, "M values/s", 200,
            at_least=True)
    ]  # fmt: skip
    operands = operands_of(profile_of(toy_chip(CHIP)))
    for m, k, n in ((128, 768, 768), (128, 3072, 768)):
        codes = random.integers(0, 256, (m, k)).astype(np.uint8)
        weights = operands.integers(random.integers(0, 256, (n, k)).astype(np.uint8))
        plain = random.standard_normal((m, k)).astype(np.float32)
        other = random.standard_normal((n, k)).astype(np.float32)

        def work(codes: Any = codes, weights: Any = weights) -> None:
            sums = accumulate(operands.integers(codes), weights, 40, 16, operands.largest_integer)
            operands.round(sums.totals, 2.0**-24, -3)

        work()
        mine = median_s(work, repeats)
        numpy_s = median_s(lambda plain=plain, other=other: plain @ other.T, repeats)
        label = f"exact product of codes, {m} x {k} x {n}"
        rows.append(Row(label, m * k * n / mine / 1e9, "GMAC/s", 1, at_least=True))
        rows.append(Row("  of numpy's float32 product", numpy_s / mine, "x", 0.1, at_least=True))
    return rows


def sentence_rows(sentences: Path | None) -> list[Row]:
    """Sentences executed in the sound arithmetic: the demo's, and a TSV of one's own."""
    folder = es.find_model(MODEL)
    chip = toy_chip(CHIP)
    rows = []
    for path, target in ((folder.path / "demo_sentences.tsv", 20.0), (sentences, 240.0)):
        if path is None:
            continue
        workload = folder.record(path)
        begin = time.perf_counter()
        answered(folder.executable(), chip, workload, "chip")
        seconds = time.perf_counter() - begin
        rows.append(
            Row(f"{len(workload)} sentences of {path.name} in the chip's arithmetic", seconds, "s",
                target, "weights loaded and encoded within")
        )  # fmt: skip
    return rows


def workload_rows(repeats: int) -> list[Row]:
    """All recorded sentences of the shipped model with exits, after a first run."""
    folder = es.find_model(MODEL)
    trace, workload, chip = folder.trace(), folder.workload(), es.load_chip(CHIP)

    def work() -> None:
        es.simulate(trace, chip, workload=workload, exit_policy=es.EntropyExit(THRESHOLD))

    first = median_s(work, 1)
    return [
        Row(f"{len(workload)} sentences with exits, first in the process", first, "s"),
        Row(f"{len(workload)} sentences with exits, again", median_s(work, repeats), "s", 2,
            "whole es.simulate: mapping, simulation and pricing anew"),
    ]  # fmt: skip


def command_rows(repeats: int) -> list[Row]:
    """Whole commands in processes of their own."""
    trace = es.find_model(MODEL).path / "trace.npz"
    run = ["run", str(trace), "--pad-to", str(NUM_TOKENS), "--chip", CHIP]
    helped = [_command("--help") for _ in range(repeats)]
    done = [_command(*run) for _ in range(repeats)]
    torch = json.loads(done[-1].errors.splitlines()[-1])["torch"]
    loaded = "torch was loaded" if torch else "torch not loaded"
    return [
        Row("edgesim --help", statistics.median(u.wall_s for u in helped), "s", 0.3),
        Row("edgesim run on a saved trace, warm", statistics.median(u.wall_s for u in done), "s",
            3),
        Row("  its peak memory", statistics.median(u.peak_rss_mb for u in done), "MB", 300, loaded),
    ]  # fmt: skip


def _command(*arguments: str) -> Any:
    """An edgesim command; the last line of its error output says whether torch was loaded."""
    code = (
        "import json, sys\nfrom edgesim.cli import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as stop:\n    code = stop.code\n"
        "print(json.dumps({'torch': 'torch' in sys.modules}), file=sys.stderr)\nsys.exit(code)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, *arguments]
        done = measured(command, Path(folder), LIMIT_S)
    if done.returncode != 0:
        raise SystemExit(f"edgesim {' '.join(arguments)} failed:\n{done.errors}")
    return done


def main() -> None:
    """Print the table; the exit status is 0 whether or not a target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9, help="of every warm figure")
    parser.add_argument("--sentences", type=Path, help="a labelled TSV, such as the 872 of SST-2")
    parser.add_argument("--entropies", type=Path, help="folder of the authors' recorded exits")
    parser.add_argument("--cold", choices=sorted(SHAPES), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.cold:
        print_cold(chosen.cold)
        return
    find_byte_code()
    print(machine_text("edgesim", "numpy", "numba", "simpy"))
    print(f"chip {CHIP}, weights {DENSITY:.0%} dense at random, medians of {chosen.repeats}\n")
    rows = [
        *kernel_rows(chosen.repeats),
        *model_rows("BERT-base", 60, chosen.repeats),
        *model_rows("ALBERT-base", 30, chosen.repeats),
        *arithmetic_rows(chosen.repeats),
        *sentence_rows(chosen.sentences),
        *workload_rows(max(3, chosen.repeats // 3)),
        *command_rows(max(3, chosen.repeats // 2)),
        *sweep_rows(chosen.entropies, 10_000),
    ]
    print(table_text(("what", "median", "target", "verdict"), [row.cells() for row in rows]))


if __name__ == "__main__":
    main()
