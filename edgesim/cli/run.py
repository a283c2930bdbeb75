"""The commands that simulate: demo, run, compare."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import check_file, json_option, say, write_json
from edgesim.cli.request import asked_chip, request, run_options
from edgesim.cli.uncertainty import add_uncertainty, check_uncertainty, uncertainty_options
from edgesim.errors import InputError

if TYPE_CHECKING:
    from edgesim.ir.result import SimResult


def add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo", help="the shipped model on EdgeBERT and on a TX2, with a report and pictures"
    )
    parser.add_argument("-o", "--output", default="demo-report", help="report folder")
    parser.add_argument("--model", default="minilm-sst2-ee", help="a zoo folder or name")
    json_option(parser)
    parser.set_defaults(run=_demo)


def add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="energy, latency, area and accuracy on one chip")
    run_options(parser)
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument(
        "--timeline", metavar="F", help="write a Chrome/Perfetto trace: open it in ui.perfetto.dev"
    )
    parser.add_argument(
        "--timeline-sentence", type=int, nargs="+", metavar="N",
        help="sentences of the timeline, counted from 1 (default: the first)",
    )  # fmt: skip
    uncertainty_options(parser)
    parser.set_defaults(run=_run)


def add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="one run on several chips, with ratios")
    run_options(parser)
    parser.add_argument("--chips", nargs="+", default=["edgebert-n16", "tx2-maxn"], metavar="NAME")
    parser.set_defaults(run=_compare)


def _demo(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.demo import run_demo

    outcome = run_demo(chosen.model, Path(chosen.output), lambda line: say(chosen, line))
    write_json(chosen, outcome.to_json())


def _run(chosen: argparse.Namespace) -> None:
    from edgesim.report import result_text

    if chosen.timeline_sentence and chosen.timeline is None:
        raise InputError("--timeline-sentence needs --timeline F, the file to write")
    check_uncertainty(chosen)
    check_file(chosen.timeline)
    result = _with_timeline(chosen) if chosen.timeline else _simulate(chosen, [chosen.chip])[0]
    say(chosen, result_text(result))
    record = result.to_json()
    if chosen.uncertainty is not None:
        add_uncertainty(chosen, record)
    write_json(chosen, record)


def _compare(chosen: argparse.Namespace) -> None:
    from edgesim.report import compare

    results = _simulate(chosen, chosen.chips)
    comparison = compare(results, baseline=len(results) - 1)
    say(chosen, comparison.to_text())
    write_json(chosen, comparison.to_json())


def _with_timeline(chosen: argparse.Namespace) -> SimResult:
    from edgesim.pipeline.timeline import simulate_with_timeline

    trace, options = request(chosen)
    sentences = chosen.timeline_sentence or [1]
    path = Path(chosen.timeline)
    result = simulate_with_timeline(
        trace, asked_chip(chosen.chip, chosen.settings), path, sentences, **options
    )
    say(chosen, f"timeline: {path}, sentence {', '.join(map(str, sentences))}")
    return result


def _simulate(chosen: argparse.Namespace, chips: Sequence[str]) -> list[SimResult]:
    """One result per chip, for the trace, workload and exits that were asked for.

    Chips other than accelerators compute in float32 whatever arithmetic is asked for.
    """
    from edgesim.pipeline.kernel_start import load_kernels
    from edgesim.pipeline.models import module_of
    from edgesim.pipeline.simulate import simulate

    loaded = [asked_chip(name, chosen.settings) for name in chips]
    if chosen.precision is not None and not any(chip.kind == "gpu" for chip in loaded):
        raise InputError(f"--precision {chosen.precision}: of a GPU; none of {', '.join(chips)} is")
    requests: dict[str, Any] = {}
    results = []
    for chip in loaded:
        arithmetic = chosen.arithmetic if chip.kind == "accelerator" else "float32"
        if arithmetic not in requests:
            requests[arithmetic] = request(chosen, arithmetic)
        trace, options = requests[arithmetic]
        if chip.kind == "accelerator":
            load_kernels()  # after the request, which may be refused
        results.append(
            simulate(
                trace, chip, precision=chosen.precision if chip.kind == "gpu" else None,
                model=module_of(chosen.target) if chip.kind == "host-cpu" else None, **options,
            )
        )  # fmt: skip
    return results
