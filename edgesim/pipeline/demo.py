"""The demo: the shipped model on EdgeBERT and on a TX2, recorded and live, with a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.hw.loader import load_chip
from edgesim.ir.exits import EntropyExit
from edgesim.ir.interval import Interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.models import ModelFolder, find_model
from edgesim.pipeline.simulate import simulate
from edgesim.report import ChipAgainstBaseline, Comparison, Section, compare, write_report

SENTENCES = "demo_sentences.tsv"
CHIP, GPU = "edgebert-n16", "tx2-maxn"
SIZES = (2, 4, 8, 16, 32)
ALLOWED_LOSS_POINTS = "1"
GPU_BASELINE = 2
"""Index of the GPU at full depth among the compared results."""


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo printed and wrote."""

    comparison: Comparison
    live: SimResult
    against_gpu: tuple[ChipAgainstBaseline, ...]
    folder: Path

    def to_json(self) -> dict[str, Any]:
        """Comparison, live run and results as JSON values."""
        return {
            "comparison": self.comparison.to_json(),
            "results": [result.to_json() for result in self.comparison.results],
            "live": self.live.to_json(),
            "against_gpu": [
                {
                    "chip": row.chip,
                    "latency_ratio": row.latency_ratio.to_json(),
                    "energy_ratio": row.energy_ratio.to_json(),
                }
                for row in self.against_gpu
            ],
            "report": str(self.folder),
        }


def run_demo(model: str, output: Path, say: Callable[[str], None]) -> DemoOutcome:
    """Simulate recorded and live sentences, print the comparison, write the report folder."""
    folder = find_model(model)
    trace, recorded = folder.trace(), folder.workload()
    threshold = _threshold(folder)
    policy = EntropyExit(threshold)
    say(
        f"{trace.name}: {trace.num_layers} layers, {len(recorded)} recorded sentences "
        f"({recorded.name}), exit below {threshold:g} nats "
        f"(chosen on the selection slice for {ALLOWED_LOSS_POINTS} point of loss)"
    )
    bar = tqdm(total=5 + len(SIZES), desc="demo", disable=None, leave=False)
    results = _compared(trace, recorded, policy, bar)
    comparison = compare(results, baseline=GPU_BASELINE)
    against = _sizes(trace, recorded, policy, results, bar)
    texts, live = _live(folder, trace, policy)
    bar.update()
    bar.close()
    say("\n" + comparison.to_text())
    section = _live_section(texts, live, results[1])
    say(f"\n{section.heading}\n\n{section.body}")
    command = f"edgesim demo --model {model} -o {output}"
    write_report(
        output, results, comparison, f"{trace.name} on {CHIP} and {GPU}", [section],
        against_gpu=against, gpu=f"{GPU} (fp16, same exits)", reproduce=[command],
    )  # fmt: skip
    say(_beats(against))
    say(_honesty(results))
    say(f"report: {output / 'report.md'}")
    return DemoOutcome(comparison, live, against, output)


def _threshold(folder: ModelFolder) -> float:
    thresholds = folder.thresholds()
    if ALLOWED_LOSS_POINTS not in thresholds:
        raise InputError(
            f"{folder.path}: config.json has no exit threshold for {ALLOWED_LOSS_POINTS} point of "
            f"loss; rebuild the model with edgesim compress"
        )
    return thresholds[ALLOWED_LOSS_POINTS]


def _compared(trace: OpTrace, recorded: Workload, policy: EntropyExit, bar: Any) -> list[SimResult]:
    """The chip with exits off and on; the GPU at full depth, with the exits, and in float32."""
    chip, gpu = load_chip(CHIP), load_chip(GPU)
    runs: list[tuple[Any, EntropyExit | None, str | None]] = [
        (chip, None, None), (chip, policy, None),
        (gpu, None, "fp16"), (gpu, policy, "fp16"), (gpu, None, "fp32"),
    ]  # fmt: skip
    results = []
    for one, leave, precision in runs:
        results.append(
            simulate(trace, one, workload=recorded, exit_policy=leave, precision=precision)
        )
        bar.update()
    return results


def _sizes(
    trace: OpTrace, recorded: Workload, policy: EntropyExit, results: list[SimResult], bar: Any
) -> tuple[ChipAgainstBaseline, ...]:
    """Every array size with exits against the GPU with the same exits."""
    gpu = results[GPU_BASELINE + 1]
    rows = []
    for size in SIZES:
        name = f"edgebert-n{size}"
        mine = results[1]
        if name != CHIP:
            mine = simulate(trace, load_chip(name), workload=recorded, exit_policy=policy)
        rows.append(
            ChipAgainstBaseline(
                name, mine.latency_s.over(gpu.latency_s), _energy(mine).over(_energy(gpu))
            )
        )
        bar.update()
    return tuple(rows)


def _energy(result: SimResult) -> Interval:
    """Energy of a simulated chip, which is never absent."""
    assert result.energy_j is not None
    return result.energy_j


def _live(
    folder: ModelFolder, trace: OpTrace, policy: EntropyExit
) -> tuple[tuple[str, ...], SimResult]:
    """The demo sentences through the model now; exits come from these logits."""
    from edgesim.compress.text import read_tsv

    path = folder.path / SENTENCES
    workload = folder.record(path)
    live = simulate(trace, load_chip(CHIP), workload=workload, exit_policy=policy)
    return read_tsv(path).sentences, live


def _live_section(texts: tuple[str, ...], live: SimResult, recorded: SimResult) -> Section:
    wrong = [
        f"- layer {row.exit_layer}, answered {row.prediction}, right is {row.label}: {text}"
        for text, row in zip(texts, live.sentences, strict=True)
        if row.prediction != row.label
    ]
    body = (
        f"{live.num_sentences} sentences written for the demo, run through the model just now: "
        f"average exit layer {live.average_exit_layer:.2f} "
        f"(recorded sentences {recorded.average_exit_layer:.2f}), accuracy {live.accuracy:.1%} "
        f"[{live.accuracy_low:.1%}, {live.accuracy_high:.1%}], mean latency "
        f"{live.latency_s.value * 1e3:.3f} ms, mean energy {_energy(live).value * 1e6:.0f} µJ.\n\n"
        f"Wrong answers: {len(wrong)}\n\n" + "\n".join(wrong)
    )
    return Section("Live sentences", body.rstrip())


def _beats(rows: tuple[ChipAgainstBaseline, ...]) -> str:
    from edgesim.report.crossover import crossover_section

    return f"\n{crossover_section(rows, f'{GPU} (fp16, same exits)')}"


def _honesty(results: list[SimResult]) -> str:
    """Each layer's limit, and what is fitted, assumed and not modelled on the chip."""
    chip = results[1]
    limits = [f"  {row.layer}: {row.limit}" for row in chip.bottlenecks]
    blocks = ["limits, early exit on", *limits]
    for heading, lines in (
        ("fitted", chip.fitted),
        ("assumed (reasons in the report)", chip.assumed),
        ("not modelled", chip.not_modelled),
    ):
        short = [line.split(": ", 1)[0] if " = " in line else line for line in lines]
        blocks += [heading, *(f"  {line}" for line in short or ["none"])]
    return "\n" + "\n".join(blocks)
