"""The command that lets sentences arrive over time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import say, write_json
from edgesim.cli.request import RunOptions, asked_chip, check_precision, run_options
from edgesim.errors import InputError, UnstableQueueError

if TYPE_CHECKING:
    from edgesim.hw.spec import AcceleratorSpec
    from edgesim.pipeline.tasks import Task, TaskSet


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
    parser.add_argument(
        "--task", action="append", default=[], metavar="MODEL", dest="tasks",
        help="a further task over the same embeddings, with its own recorded sentences; may repeat",
    )  # fmt: skip
    parser.add_argument(
        "--order", choices=("random", "turns"), default="random", help="of tasks among arrivals"
    )
    parser.add_argument(
        "--burst", type=int, default=1, metavar="N", help="sentences of one task after another"
    )
    parser.set_defaults(run=_duty)


def _duty(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.duty_cycle import duties, duty_lines
    from edgesim.pipeline.opening import accelerator_only

    if not chosen.tasks and (chosen.burst != 1 or chosen.order != "random"):
        raise InputError("--burst and --order need a second task: --task MODEL")
    chip = accelerator_only(asked_chip(chosen.chip, chosen.settings))
    check_precision(chosen, [chip])
    first = _task(chosen, chip)
    tasks = _tasks(chosen, chip, first) if chosen.tasks else None
    cycles, unstable = duties(
        chosen.rate, result=first.result, chip=chip, arrivals=chosen.arrivals,
        num_sentences=chosen.count, seed=chosen.seed, tasks=tasks, order=chosen.order,
        burst=chosen.burst,
    )  # fmt: skip
    played = tasks.tasks if tasks else (first,)
    names = " and ".join(f"{t.trace.name} ({t.result.num_sentences} sentences)" for t in played)
    say(chosen, f"{names} in turn on {chip.name}")
    ends = [f"unstable: {error}" for error in unstable]
    say(chosen, "\n".join([*(tasks.lines() if tasks else ()), *duty_lines(cycles), *ends]))
    rows = [*(cycle.to_json() for cycle in cycles), *map(_unstable_row, unstable)]
    write_json(chosen, rows if tasks is None else {"tasks": tasks.to_json(), "cycles": rows})


def _unstable_row(error: UnstableQueueError) -> dict[str, Any]:
    return {
        "rate_per_s": error.rate_per_s, "capacity_per_s": error.capacity_per_s, "unstable": True,
    }  # fmt: skip


def _task(chosen: argparse.Namespace, chip: AcceleratorSpec) -> Task:
    """The task that `chosen` asks for, simulated."""
    from edgesim.pipeline.tasks import Task

    run = RunOptions(chosen).open(chip)
    workload = run.inputs.workload
    uses = run.inputs.decision.strategy == "latency-aware"
    predictor = workload.predictor if uses and workload is not None else None
    return Task(run.inputs.trace, run.result, predictor)


def _tasks(chosen: argparse.Namespace, chip: AcceleratorSpec, first: Task) -> TaskSet:
    """All tasks, with what the first one is asked for."""
    from edgesim.pipeline.tasks import task_set

    if chosen.workload or chosen.sentences or chosen.entropies:
        raise InputError(
            "tasks bring their own recorded sentences; leave --workload, --sentences and "
            "--entropies out"
        )
    others = [
        _task(argparse.Namespace(**{**vars(chosen), "target": name}), chip) for name in chosen.tasks
    ]
    return task_set([first, *others], chip)
