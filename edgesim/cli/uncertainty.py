"""What `run --uncertainty` asks for and prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import say
from edgesim.cli.request import RunOptions, asked_chip
from edgesim.errors import InputError

if TYPE_CHECKING:
    from edgesim.pipeline.opening import OpenRun

LEAST_SAMPLES = 20


def uncertainty_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--uncertainty", nargs="?", type=int, const=1000, metavar="N",
        help="sample the ranges of the technology entries N times (default 1000)",
    )  # fmt: skip
    parser.add_argument(
        "--against",
        metavar="NAME|FILE.yaml",
        help="other chip of its conclusions, such as tx2-maxn",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the samples")
    parser.add_argument(
        "--tornado", metavar="F.png", help="picture of the entries that matter most"
    )


def check_uncertainty(chosen: argparse.Namespace) -> None:
    """InputError for options that belong to --uncertainty where it is missing, or a wrong path."""
    if chosen.uncertainty is None:
        lonely = [name for name in ("against", "tornado") if getattr(chosen, name)]
        if lonely:
            raise InputError(f"--{lonely[0]} belongs to --uncertainty; add it")
        return
    if chosen.uncertainty < LEAST_SAMPLES:
        raise InputError(f"--uncertainty {chosen.uncertainty}: at least {LEAST_SAMPLES} samples")
    if chosen.against:
        asked_chip(chosen.against, [])
    if chosen.timeline:
        raise InputError("--uncertainty samples many runs; leave --timeline out")
    picture = chosen.tornado and Path(chosen.tornado)
    if picture and (picture.suffix != ".png" or not picture.parent.is_dir()):
        raise InputError(f"--tornado {picture}: a .png in a folder that exists is wanted")


def add_uncertainty(
    chosen: argparse.Namespace, options: RunOptions, run: OpenRun, record: dict[str, Any]
) -> None:
    """Sample, print, draw, and put the samples' figures beside the run's."""
    from edgesim.pipeline.uncertainty import assess_uncertainty
    from edgesim.report.uncertainty import uncertainty_text

    against = options.open(asked_chip(chosen.against, [])) if chosen.against else None
    found = assess_uncertainty(run, against, samples=chosen.uncertainty, seed=chosen.seed)
    say(chosen, "\n" + uncertainty_text(found))
    record["uncertainty"] = found.to_json()
    if chosen.tornado:
        from edgesim.plot.tornado import plot_tornado

        plot_tornado(found).figure.get_figure(root=True).savefig(chosen.tornado)
        say(chosen, f"\n{chosen.tornado}")
