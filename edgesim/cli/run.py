"""The commands that simulate: demo, run, compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import check_file, json_option, say, write_json
from edgesim.cli.request import RunOptions, asked_chip, check_precision, run_options
from edgesim.cli.uncertainty import add_uncertainty, check_uncertainty, uncertainty_options
from edgesim.errors import InputError

if TYPE_CHECKING:
    from edgesim.pipeline.opening import OpenRun


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
    chip = asked_chip(chosen.chip, chosen.settings)
    check_precision(chosen, [chip])
    options = RunOptions(chosen)
    run = options.open(chip)
    if chosen.timeline:
        _write_timeline(chosen, run)
    say(chosen, result_text(run.result))
    record = run.result.to_json()
    if chosen.uncertainty is not None:
        add_uncertainty(chosen, options, run, record)
    write_json(chosen, record)


def _compare(chosen: argparse.Namespace) -> None:
    from edgesim.report import compare

    chips = [asked_chip(name, chosen.settings) for name in chosen.chips]
    check_precision(chosen, chips)
    options = RunOptions(chosen)
    results = [options.open(chip).result for chip in chips]
    comparison = compare(results, baseline=len(results) - 1)
    say(chosen, comparison.to_text())
    write_json(chosen, comparison.to_json())


def _write_timeline(chosen: argparse.Namespace, run: OpenRun) -> None:
    from edgesim.pipeline.timeline import timeline_content, write_timeline

    sentences = chosen.timeline_sentence or [1]
    path = Path(chosen.timeline)
    write_timeline(path, timeline_content(run.played, sentences))
    say(chosen, f"timeline: {path}, sentence {', '.join(map(str, sentences))}")
