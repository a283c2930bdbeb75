"""What run, compare and their kin are asked for: trace, workload, exits and chips."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.cli.output import json_option
from edgesim.errors import InputError

if TYPE_CHECKING:
    from edgesim.hw.spec import Chip
    from edgesim.ir.optrace import OpTrace

MODEL_HELP = "a zoo folder, local Hugging Face folder, .pt2 file, or name of a shipped model"


def run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--workload", metavar="W.npz")
    source.add_argument("--sentences", metavar="FILE.tsv")
    leave = parser.add_mutually_exclusive_group()
    leave.add_argument("--exit-threshold", type=float, metavar="H", help="nats, strictly below")
    leave.add_argument("--no-exit", action="store_true", help="full depth (the default)")
    parser.add_argument("--pad-to", type=int, metavar="N", help="tokens of every sentence")
    parser.add_argument("--arithmetic", default="float32", help="of the activations: float32")
    parser.add_argument("--precision", help="of a GPU: fp16 or fp32")
    json_option(parser)


def request(chosen: argparse.Namespace) -> tuple[OpTrace, dict[str, Any]]:
    """The trace, workload and exits that were asked for."""
    from edgesim.ir.exits import EntropyExit
    from edgesim.ir.workload import Workload
    from edgesim.pipeline.models import open_trace

    trace, folder = open_trace(chosen.target)
    workload = None
    if chosen.workload:
        workload = Workload.load(Path(chosen.workload))
    elif chosen.sentences:
        if folder is None:
            raise InputError("--sentences needs a MODEL; a trace file has no tokenizer")
        workload = folder.record(Path(chosen.sentences))
    elif folder is not None:
        workload = folder.workload()
    policy = None if chosen.exit_threshold is None else EntropyExit(chosen.exit_threshold)
    return trace, {
        "workload": workload, "exit_policy": policy, "pad_to": chosen.pad_to,
        "arithmetic": chosen.arithmetic,
    }  # fmt: skip


def asked_chip(name: str, settings: Sequence[str]) -> Chip:
    """A chip with `--set path=value` applied; values are read as YAML."""
    import yaml

    from edgesim.hw.loader import load_chip

    overrides: dict[str, Any] = {}
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not path:
            raise InputError(f"--set {setting}: write path=value, such as pu.vector_size=8")
        try:
            overrides[path] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--set {setting}: {text!r} is no value") from None
    return load_chip(name, overrides)
