"""What a run is asked for: sentences, lengths, exit layers, settings, and the inputs' hashes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import Chip, chip_content
from edgesim.ir.exits import (
    STRATEGIES,
    EntropyExit,
    ExitDecision,
    ExitPolicy,
    FixedExit,
    ForecastExit,
    FullDepth,
)
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import trace_hash
from edgesim.ir.workload import Workload
from edgesim.numerics.formats import parse_format
from edgesim.tech import Technology


@dataclass(frozen=True, eq=False)
class RunInput:
    """Sentences as a run sees them: lengths, exits, and what the run was asked for."""

    trace: OpTrace
    workload: Workload | None
    num_tokens: NDArray[np.int64]
    decision: ExitDecision
    target: LatencyTarget | None
    settings: dict[str, Any]

    @property
    def exit_layers(self) -> NDArray[np.int64]:
        """1-based layer after which each sentence leaves."""
        return self.decision.exit_layers

    @property
    def early_exit(self) -> bool:
        """Whether sentences leave by their entropy."""
        return self.decision.checks_entropy


def prepare(
    trace: OpTrace, workload: Workload | None, exit_policy: ExitPolicy | None,
    pad_to: int | None, arithmetic: str, *, target: LatencyTarget | None = None,
    strategy: str | None = None,
) -> RunInput:  # fmt: skip
    """Lengths and exit layers of a run; InputError for settings that do not fit together, and
    for number formats of the trace that nobody knows, before anything is planned.

    With a latency target an EntropyExit becomes a ForecastExit where the workload holds a
    predictor; `strategy` says otherwise (`entropy`) or insists (`latency-aware`).
    """
    for name in {tensor.number_format for tensor in trace.tensors.values()} - {None}:
        parse_format(str(name))
    num_tokens = _lengths(trace, workload, pad_to)
    policy = chosen_policy(exit_policy, strategy, target, workload)
    decision = _decision(trace, workload, policy, len(num_tokens))
    settings = {
        "exit": policy.words(),
        "exit_threshold": getattr(policy, "threshold", None),
        "strategy": decision.strategy,
        "latency_target_s": None if target is None else target.seconds,
        "latency_target_fraction": None if target is None else target.fraction,
        "pad_to": pad_to,
        "arithmetic": arithmetic,
        "weights": "compressed" if trace.masks else "dense",
        "workload": None if workload is None else workload.name,
    }
    if not trace.has_exits:
        settings["exit"] = "n/a"
    return RunInput(trace, workload, num_tokens, decision, target, settings)


def chosen_policy(
    policy: ExitPolicy | None, strategy: str | None, target: LatencyTarget | None,
    workload: Workload | None,
) -> ExitPolicy:  # fmt: skip
    """The exit policy that a run follows; InputError where policy and strategy disagree."""
    if strategy is not None and strategy not in STRATEGIES:
        raise InputError(f"strategy {strategy!r}; allowed: {', '.join(STRATEGIES)}")
    wanted = {
        "no-exit": (FullDepth, "no exit threshold and no exit layer"),
        "fixed": (FixedExit, "an exit layer (--exit-layer K, es.FixedExit)"),
        "entropy": (EntropyExit, "an exit threshold (--exit-threshold H, es.EntropyExit)"),
        "latency-aware": (
            (EntropyExit, ForecastExit), "an exit threshold (--exit-threshold H, es.EntropyExit)"
        ),
    }  # fmt: skip
    asked = FullDepth() if policy is None else policy
    if strategy is not None:
        kind, words = wanted[strategy]
        if not isinstance(asked, kind):  # type: ignore[arg-type]
            raise InputError(f"strategy {strategy} needs {words}")
        if strategy == "latency-aware" and target is None:
            raise InputError("strategy latency-aware needs a latency target (--latency-target S)")
    predictor = None if workload is None else workload.predictor
    insists = strategy == "latency-aware"
    if not isinstance(asked, EntropyExit) or not (insists or (target and strategy is None)):
        return asked
    if predictor is None and insists:
        raise InputError(
            "strategy latency-aware needs an exit predictor and the workload holds none; fit one "
            "(edgesim predictor MODEL --data DIR) or pass es.ForecastExit"
        )
    return asked if predictor is None else ForecastExit(asked.threshold, predictor)


def _lengths(trace: OpTrace, workload: Workload | None, pad_to: int | None) -> NDArray[np.int64]:
    if workload is None and pad_to is None:
        raise InputError("a trace without a workload needs pad_to (--pad-to N), the tokens to run")
    if pad_to is not None and not 1 <= pad_to <= trace.max_tokens:
        raise InputError(f"pad_to {pad_to}: the model allows 1 to {trace.max_tokens} tokens")
    if workload is None:
        return np.array([pad_to], dtype=np.int64)
    longest = int(workload.num_tokens.max())
    if longest > (pad_to or trace.max_tokens):
        raise InputError(
            f"workload {workload.name!r} has a sentence of {longest} tokens; "
            f"{'pad_to is' if pad_to else 'the model allows'} {pad_to or trace.max_tokens}"
        )
    if pad_to is None:
        return workload.num_tokens.astype(np.int64)
    return np.full(len(workload), pad_to, dtype=np.int64)


def _decision(
    trace: OpTrace, workload: Workload | None, policy: ExitPolicy, count: int
) -> ExitDecision:
    entropies = None if workload is None else workload.entropies
    if workload is not None and entropies is not None and trace.has_exits:
        layers = entropies.shape[1]
        if layers != trace.num_layers:
            raise InputError(
                f"workload {workload.name!r} has entropies of {layers} layers, the trace "
                f"{trace.name!r} has {trace.num_layers}; record it with this model"
            )
    if not isinstance(policy, FullDepth) and not trace.has_exits:
        raise InputError(
            f"{trace.name!r} has no off-ramps; leave the exit threshold or exit layer out"
        )
    return policy.decide(entropies, count, trace.num_layers)


def input_hashes(asked: RunInput, chip: Chip, technology: Technology) -> dict[str, str]:
    """SHA-256 of every input of a run."""
    chip_text = json.dumps(chip_content(chip), sort_keys=True)
    hashes = {
        "trace": trace_hash(asked.trace),
        "chip": hashlib.sha256(chip_text.encode()).hexdigest(),
        "technology": technology.content_hash(),
    }
    if asked.workload is not None:
        hashes["workload"] = asked.workload.content_hash()
    return hashes
