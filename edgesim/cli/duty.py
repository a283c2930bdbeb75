"""The command that lets sentences arrive over time."""

from __future__ import annotations

import argparse
from typing import Any

from edgesim.cli.output import say, write_json
from edgesim.cli.request import asked_chip, request, run_options


def add_duty(commands: Any) -> None:
    parser = commands.add_parser(
        "duty", help="sentences at a rate: queue, sleep, energy per hour, p50 and p99"
    )
    run_options(parser)
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument(
        "--rate", type=float, nargs="+", required=True, metavar="R", help="sentences a second"
    )
    parser.add_argument("--arrivals", choices=("poisson", "fixed"), default="poisson")
    parser.add_argument("--count", type=int, default=10_000, metavar="N", help="sentences played")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_duty)


def _duty(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.duty_cycle import duty_cycle, duty_lines
    from edgesim.pipeline.simulate import simulate
    from edgesim.pipeline.timeline import accelerator_only

    trace, options = request(chosen)
    chip = accelerator_only(asked_chip(chosen.chip, chosen.settings))
    result = simulate(trace, chip, **options)
    cycles = [
        duty_cycle(
            result, chip, rate, arrivals=chosen.arrivals, num_sentences=chosen.count,
            seed=chosen.seed, target_s=options["latency_target_s"],
        )
        for rate in chosen.rate
    ]  # fmt: skip
    say(chosen, f"{trace.name} on {chip.name}, {result.num_sentences} sentences in turn")
    say(chosen, "\n".join(duty_lines(cycles)))
    write_json(chosen, [cycle.to_json() for cycle in cycles])
