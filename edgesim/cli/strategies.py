"""The command that sets exit strategies side by side under one latency target."""

from __future__ import annotations

import argparse
from typing import Any

from edgesim.cli.output import json_option, say, write_json
from edgesim.cli.request import (
    MODEL_HELP,
    RunOptions,
    asked_chip,
    latency_target,
    request_of_strategies,
)
from edgesim.errors import InputError


def add_strategies(commands: Any) -> None:
    parser = commands.add_parser(
        "strategies", help="no exit, fixed, entropy and latency-aware exit under a latency target"
    )
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    request_of_strategies(parser)
    json_option(parser)
    parser.set_defaults(run=_strategies)


def _strategies(chosen: argparse.Namespace) -> None:
    from edgesim.ir.exits import EntropyExit, FixedExit, ForecastExit
    from edgesim.ir.predictor import ExitPredictor
    from edgesim.ir.request import RunRequest
    from edgesim.pipeline.models import ModelFolder
    from edgesim.pipeline.opening import accelerator_only
    from edgesim.pipeline.strategies import (
        StrategyChoice,
        chosen_on_selection,
        compare_strategies,
    )
    from edgesim.report.strategies import strategy_table

    trace, folder, workload = RunOptions(chosen).source()
    if workload is None:
        raise InputError("strategies need sentences: --workload, --sentences or --entropies")
    target = latency_target(chosen)
    if target is None:
        raise InputError("strategies need --latency-target S or --latency-target-fraction F")
    checks, slack = not chosen.no_checks, chosen.slack_layers
    own = workload.predictor
    predictor = ExitPredictor.from_csv(chosen.predictor) if chosen.predictor else own
    if chosen.exit_threshold is not None:
        if predictor is None:
            raise InputError(
                "no exit predictor: give --predictor TABLE.csv, or fit the model's own"
            )
        forecast = chosen.forecast_threshold
        choice = StrategyChoice(
            None if chosen.exit_layer is None else FixedExit(chosen.exit_layer),
            EntropyExit(chosen.exit_threshold),
            ForecastExit(
                chosen.exit_threshold if forecast is None else forecast, predictor, checks, slack
            ),
            "thresholds as given",
        )
    else:
        selection = folder.selection() if isinstance(folder, ModelFolder) else None
        if selection is None:
            raise InputError("no recorded selection slice here: give --exit-threshold H")
        choice = chosen_on_selection(
            selection, chosen.loss, check_on_the_way=checks, slack_layers=slack
        )
    chip = accelerator_only(asked_chip(chosen.chip, chosen.settings))
    request = RunRequest(
        workload, pad_to=chosen.pad_to, arithmetic=workload.arithmetic, target=target
    )  # fmt: skip
    compared = compare_strategies(request, trace, chip, choice)
    rows = compared.rows
    say(chosen, f"{trace.name} on {chip.name}, target {target.words()}; {choice.origin}\n")
    say(chosen, strategy_table([(row.name, row.policy, row.result) for row in rows]))
    for name in compared.hopeless:
        say(chosen, f"{name}: no sentence could end in time, left out")
    write_json(
        chosen,
        [{"strategy": row.name, "exit": row.policy, **row.result.to_json()} for row in rows],
    )
