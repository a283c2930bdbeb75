"""The command line: parses arguments, runs one command. Bad input is one line, exit 2."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edgesim.cli import chips, faults, formats, models, report, run, scale, sweeps, validation
from edgesim.cli.ablate import add_ablate
from edgesim.cli.duty import add_duty
from edgesim.cli.exit_training import add_exits
from edgesim.cli.numerics import add_calibrate, add_numerics
from edgesim.cli.output import check_output, check_writable
from edgesim.cli.power_on import add_power_on
from edgesim.cli.sparsity import add_sparsity
from edgesim.cli.strategies import add_strategies
from edgesim.errors import EdgesimError

COMMANDS = (
    run.add_demo, models.add_lower, models.add_record, run.add_run, run.add_compare,
    add_strategies, models.add_predictor, add_power_on, add_duty,
    scale.add_scale, sweeps.add_sweep, sweeps.add_pareto, sweeps.add_store, report.add_report,
    models.add_compress, add_ablate, add_sparsity, add_exits,
    models.add_evaluate, formats.add_formats, faults.add_faults, validation.add_validate,
    chips.add_chip,
    add_calibrate, add_numerics,
)  # fmt: skip
"""Each adds one command with its options; the order is that of the help page."""


INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of a shell for SIGINT and SIGTERM."""
UNREAD = 141
"""That of SIGPIPE: the reader of our output, such as `head`, has left."""
WRITTEN = ("json", "output", "timeline", "tornado")
"""Options that name what a command writes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 a row of validate is out, 2 bad input.

    Ctrl-C gives 130 and SIGTERM 143, both after what was begun is cleared away.
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    with _terminated_as_interrupted() as terminations:
        code = _code(chosen)
    return TERMINATED if terminations and code == INTERRUPTED else code


@contextmanager
def _terminated_as_interrupted() -> Iterator[list[int]]:
    """Let SIGTERM end a command as Ctrl-C does; gives a list that holds it once it came."""
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    mine = threading.current_thread() is threading.main_thread()
    mine = mine and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if mine:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield came
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _code(chosen: argparse.Namespace) -> int:
    try:
        check_output(getattr(chosen, "json", None))
        for option in WRITTEN:
            check_writable(getattr(chosen, option, None))
        code = chosen.run(chosen)
        sys.stdout.flush()
    except EdgesimError as error:
        print(f"edgesim: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"edgesim: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"edgesim: {str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgesim",
        description="What a compressed transformer costs, per sentence, on an edge accelerator.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_command in COMMANDS:
        add_command(commands)
    return parser


def _version() -> str:
    from edgesim import __version__

    return f"edgesim {__version__}"
