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
    from edgesim.ir.exits import ExitPolicy
    from edgesim.ir.latency import LatencyTarget
    from edgesim.ir.optrace import OpTrace
    from edgesim.ir.workload import Workload
    from edgesim.pipeline.models import ModelSource
    from edgesim.pipeline.opening import OpenRun

STRATEGIES = ("no-exit", "fixed", "entropy", "latency-aware")
"""Those of `edgesim.ir.exits`, named here because a help page loads no numpy."""
MODEL_HELP = "a zoo folder, local Hugging Face folder, .pt2 file, or name of a shipped model"


def run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    sentence_options(parser)
    leave = parser.add_mutually_exclusive_group()
    leave.add_argument("--exit-threshold", type=float, metavar="H", help="nats, strictly below")
    leave.add_argument("--exit-layer", type=int, metavar="K", help="leave after layer K always")
    leave.add_argument("--no-exit", action="store_true", help="full depth (the default)")
    target_options(parser)
    parser.add_argument(
        "--strategy", choices=STRATEGIES, help="default: follows from the other options"
    )
    parser.add_argument("--pad-to", type=int, metavar="N", help="tokens of every sentence")
    arithmetic_options(parser, chip=False)
    parser.add_argument("--precision", help="of a GPU: fp16 or fp32")
    json_option(parser)


def arithmetic_options(parser: argparse.ArgumentParser, chip: bool = True) -> None:
    parser.add_argument(
        "--arithmetic", default="float32",
        help="of answers and exits: float32 (default), chip, edgebert-hls-as-released",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", metavar="F.json", help="ranges of activations: edgesim calibrate"
    )
    if chip:
        parser.add_argument(
            "--chip", default="edgebert-n16", metavar="NAME|FILE.yaml", help="whose arithmetic"
        )


def sentence_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--workload", metavar="W.npz")
    source.add_argument("--sentences", metavar="FILE.tsv")
    source.add_argument(
        "--entropies", metavar="FILE.csv", help="a row per sentence, a column per layer; needs "
        "--pad-to",
    )  # fmt: skip


def request_of_strategies(parser: argparse.ArgumentParser) -> None:
    """Options of the command `strategies`."""
    sentence_options(parser)
    parser.add_argument("--pad-to", type=int, metavar="N", help="tokens of every sentence")
    parser.add_argument(
        "--loss", type=float, default=1.0, metavar="POINTS",
        help="accuracy points that exits may cost on the selection slice (default 1)",
    )  # fmt: skip
    parser.add_argument("--exit-threshold", type=float, metavar="H", help="instead of --loss")
    parser.add_argument(
        "--forecast-threshold", type=float, metavar="H", help="of the latency-aware exit, if other"
    )
    parser.add_argument("--exit-layer", type=int, metavar="K", help="of the fixed exit")
    target_options(parser)


def speed_options(parser: argparse.ArgumentParser) -> None:
    """The latency target alone."""
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--latency-target", metavar="S", help="seconds, or with a unit such as 50ms: slow down "
        "behind layer 1 as far as it allows",
    )  # fmt: skip
    target.add_argument(
        "--latency-target-fraction", type=float, metavar="F",
        help="the same, as a fraction of each sentence's full-depth, full-speed time",
    )  # fmt: skip


def target_options(parser: argparse.ArgumentParser) -> None:
    """A latency target and how sentences are forecast."""
    speed_options(parser)
    parser.add_argument(
        "--predictor", metavar="TABLE.csv",
        help="layer-1 entropy and forecasts of layers 2 on; default: the model's own",
    )  # fmt: skip
    parser.add_argument(
        "--slack-layers", type=int, default=0, metavar="N", help="granted beyond the forecast"
    )
    parser.add_argument(
        "--no-checks", action="store_true", help="no entropy is checked before the forecast layer"
    )


class RunOptions:
    """Trace and request that the options of a command spell; each is made once.

    Both depend on the arithmetic: a model may bring answers and zeros of activations recorded in
    it. Sentences are recorded once for all.
    """

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self._sources: dict[str, tuple[OpTrace, ModelSource | None, Workload | None]] = {}
        self._recorded: Workload | None = None

    def source(
        self, arithmetic: str | None = None
    ) -> tuple[OpTrace, ModelSource | None, Workload | None]:
        """The trace, the model it came from, and the sentences; by default in the arithmetic that
        the options name.
        """
        from edgesim.ir.request import FLOAT32, checked_arithmetic

        named = checked_arithmetic(getattr(self.chosen, "arithmetic", FLOAT32))
        arithmetic = arithmetic or named
        if arithmetic not in self._sources:
            self._sources[arithmetic] = self._source(arithmetic)
        return self._sources[arithmetic]

    def open(self, chip: Chip) -> OpenRun:
        """The run on a chip. Chips other than accelerators compute in float32 whatever is named,
        and only a GPU has the precision.
        """
        from edgesim.ir.request import FLOAT32, RunRequest
        from edgesim.pipeline.kernel_start import load_kernels
        from edgesim.pipeline.models import module_of
        from edgesim.pipeline.opening import open_run

        chosen, accelerator = self.chosen, chip.kind == "accelerator"
        arithmetic = chosen.arithmetic if accelerator else FLOAT32
        trace, _, workload = self.source(arithmetic)
        request = RunRequest.of(
            workload=workload, exit_policy=_policy(chosen, workload), pad_to=chosen.pad_to,
            arithmetic=arithmetic, strategy=chosen.strategy,
            precision=chosen.precision if chip.kind == "gpu" else None,
            latency_target_s=_seconds(chosen.latency_target),
            latency_target_fraction=chosen.latency_target_fraction,
        )  # fmt: skip
        model = module_of(chosen.target) if chip.kind == "host-cpu" else None
        run = open_run(request, trace, chip, model=model)
        if accelerator:
            load_kernels()  # after the request, which may be refused
        return run

    def _source(self, arithmetic: str) -> tuple[OpTrace, ModelSource | None, Workload | None]:
        from edgesim.ir.activation_statistics import ActivationStatistics
        from edgesim.ir.request import FLOAT32
        from edgesim.pipeline.models import open_trace

        chosen = self.chosen
        trace, folder = open_trace(chosen.target, arithmetic)
        workload = self._workload(folder, arithmetic)
        if chosen.sentences and folder is not None and arithmetic != FLOAT32:
            trace = folder.executable(arithmetic)
        if getattr(chosen, "calibration", None):
            trace = ActivationStatistics.load(Path(chosen.calibration)).applied(trace)
        return trace, folder, workload

    def _workload(self, folder: ModelSource | None, arithmetic: str) -> Workload | None:
        from edgesim.ir.workload import Workload

        chosen = self.chosen
        if chosen.workload:
            return Workload.load(Path(chosen.workload))
        if chosen.sentences:
            if folder is None:
                raise InputError("--sentences needs a MODEL; a trace file has no tokenizer")
            self._recorded = self._recorded or folder.record(Path(chosen.sentences))
            return self._recorded
        if chosen.entropies:
            if chosen.pad_to is None:
                raise InputError("--entropies needs --pad-to N: the file tells no lengths")
            return Workload.from_entropies(chosen.entropies, chosen.pad_to)
        return None if folder is None else folder.workload(arithmetic)


def check_precision(chosen: argparse.Namespace, chips: Sequence[Chip]) -> None:
    """InputError for --precision where no chip is a GPU."""
    if chosen.precision is not None and not any(chip.kind == "gpu" for chip in chips):
        names = ", ".join(chip.name for chip in chips)
        raise InputError(
            f"--precision {chosen.precision}: of a GPU; none of {names} is one, leave it out"
        )


def latency_target(chosen: argparse.Namespace) -> LatencyTarget | None:
    """The target that was asked for; None where there is none."""
    from edgesim.ir.latency import LatencyTarget

    return LatencyTarget.of(_seconds(chosen.latency_target), chosen.latency_target_fraction)


def _policy(chosen: argparse.Namespace, workload: Workload | None) -> ExitPolicy | None:
    """The exit policy that the options spell; None is full depth."""
    from edgesim.ir.exits import EntropyExit, FixedExit, ForecastExit
    from edgesim.ir.predictor import ExitPredictor

    if chosen.exit_layer is not None:
        return FixedExit(chosen.exit_layer)
    if chosen.exit_threshold is None:
        return None
    asked = chosen.predictor or chosen.slack_layers or chosen.no_checks
    if chosen.strategy == "entropy" or not asked:
        return EntropyExit(chosen.exit_threshold)
    own = None if workload is None else workload.predictor
    predictor = ExitPredictor.from_csv(chosen.predictor) if chosen.predictor else own
    if predictor is None:
        raise InputError("--slack-layers and --no-checks need a predictor (--predictor TABLE.csv)")
    return ForecastExit(chosen.exit_threshold, predictor, not chosen.no_checks, chosen.slack_layers)


def _seconds(text: str | None) -> float | None:
    """A latency target: a plain number is seconds."""
    from edgesim.units import parse_quantity

    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_quantity(text, "seconds")
    except InputError as error:
        raise InputError(f"--latency-target: {error}") from None


def asked_chip(name: str, settings: Sequence[str]) -> Chip:
    """A chip with `--set path=value` applied; values are read as YAML."""
    from edgesim.hw.loader import load_chip
    from edgesim.placed_yaml import plain_value

    overrides: dict[str, Any] = {}
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign or not path:
            raise InputError(f"--set {setting}: write path=value, such as pu.vector_size=8")
        overrides[path] = plain_value(text, f"--set {path}", InputError)
    return load_chip(name, overrides)
