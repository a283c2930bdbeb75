"""The command over faulty memories."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_output, json_option, say, write_json
from edgesim.cli.request import asked_chip


def add_faults(commands: Any) -> None:
    parser = commands.add_parser("faults", help="accuracy when stored tensors are misread")
    parser.add_argument(
        "model", nargs="?", default="minilm-sst2-ee", help="a zoo folder or name of a shipped model"
    )
    parser.add_argument("--medium", default="reram_mlc3", help="where the codes rest")
    parser.add_argument(
        "--tensor", default="embedding_weight", metavar="CLASS",
        help="embedding_weight, encoder_weight, offramp_weight, or activation (answers are then "
        "those of the chip's arithmetic)",
    )  # fmt: skip
    parser.add_argument("--trials", type=int, default=100, metavar="N", help="draws per condition")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--mask", nargs="+", default=[], metavar="MEDIUM",
        help="where the bitmask rests, a row each (default: reram_slc, and the codes' medium)",
    )  # fmt: skip
    parser.add_argument(
        "--mask-rate", type=float, metavar="P",
        help="share of mask cells misread (published single-level macros: up to 1e-5)",
    )  # fmt: skip
    parser.add_argument(
        "--coding", nargs="+", default=["binary"], metavar="CODE", help="binary, gray or both"
    )
    parser.add_argument(
        "--rates", nargs="+", type=float, default=[], metavar="P",
        help="cell fault rates to widen the medium's levels to, besides its own",
    )  # fmt: skip
    text = parser.add_mutually_exclusive_group()
    text.add_argument("--data", metavar="DIR", help="folder with TASK/dev.tsv")
    text.add_argument("--sentences", metavar="FILE.tsv")
    leave = parser.add_mutually_exclusive_group()
    leave.add_argument("--exit-threshold", type=float, metavar="H", help="nats, strictly below")
    leave.add_argument("--no-exit", action="store_true", help="full depth only")
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write faults.json, faults.csv and a picture"
    )
    json_option(parser)
    parser.set_defaults(run=_faults)


def _faults(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.faults import FaultConditions, fault_study, write_fault_study
    from edgesim.report.faults import fault_text

    check_output(chosen.output)
    conditions = FaultConditions(
        medium=chosen.medium, mask_media=tuple(chosen.mask), codings=tuple(chosen.coding),
        rates=tuple(chosen.rates), mask_rate=chosen.mask_rate, num_trials=chosen.trials,
        seed=chosen.seed,
    )  # fmt: skip
    start = time.perf_counter()
    study = fault_study(
        chosen.model, chosen.tensor, conditions, asked_chip(chosen.chip, chosen.settings),
        data_dir=Path(chosen.data) if chosen.data else None,
        sentences=Path(chosen.sentences) if chosen.sentences else None,
        exit_threshold=chosen.exit_threshold, with_exit=not chosen.no_exit,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if not chosen.data and not chosen.sentences:
        say(chosen, "no --data or --sentences: run on the model's own demo sentences\n")
    say(chosen, fault_text(study))
    count = sum(len(point.trials) for point in study.points)
    say(chosen, f"\n{count} trials in {seconds:.1f} s, {count / seconds:.3g} a second")
    if chosen.output:
        write_fault_study(study, Path(chosen.output))
        say(chosen, f"{chosen.output}: faults.json, faults.csv, accuracy_by_fault_rate.png")
    write_json(chosen, study.to_json())
