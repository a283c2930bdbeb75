"""Strategies side by side: full depth, a fixed exit, exit by entropy, and latency-aware exit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgesim.compress.evaluate import choose_threshold, correct_answers, threshold_grid
from edgesim.errors import InputError, UnreachableTargetError
from edgesim.hw.spec import Chip
from edgesim.ir.exits import EntropyExit, ExitPolicy, FixedExit, ForecastExit, FullDepth
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.opening import Opened, open_run
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.statistics import loss_with_margin


@dataclass(frozen=True)
class StrategyChoice:
    """The policies that are compared, and where their settings come from."""

    fixed: FixedExit | None
    """None where no layer was given or chosen."""
    entropy: EntropyExit
    forecast: ForecastExit
    origin: str


@dataclass(frozen=True)
class StrategyRow:
    """One strategy with one target."""

    name: str
    policy: str
    result: SimResult


@dataclass(frozen=True)
class StrategyComparison:
    """Strategies side by side."""

    rows: tuple[StrategyRow, ...]
    hopeless: tuple[str, ...]
    """Strategies that could meet the target with no sentence, such as full depth."""


def chosen_on_selection(
    selection: Workload, loss_points: float, *, check_on_the_way: bool = True, slack_layers: int = 0
) -> StrategyChoice:
    """Settings that lose at most so many accuracy points, each chosen on the selection slice.

    Thresholds are taken from a grid of 0.01 nats for the least average exit; the fixed exit is the
    first layer that qualifies. Losses carry one standard error as a margin, as in
    `choose_threshold`. Raises InputError for a slice without logits, labels or predictor.
    """
    logits, labels, predictor = selection.logits, selection.labels, selection.predictor
    entropies = selection.entropies
    if logits is None or labels is None or predictor is None or entropies is None:
        raise InputError(
            f"workload {selection.name!r} lacks logits, labels or a predictor; record it with "
            "edgesim predictor MODEL --data DIR"
        )
    right = correct_answers(logits, labels)
    most = loss_points / 100 + 1e-9
    layers = range(1, right.shape[1] + 1)
    fixed = next(k for k in layers if loss_with_margin(right[:, k - 1], right[:, -1]) <= most)
    allowed = []
    for threshold in threshold_grid(logits.shape[-1]):
        policy = ForecastExit(threshold, predictor, check_on_the_way, slack_layers)
        leave = policy.exit_layers(entropies)
        if loss_with_margin(right[np.arange(len(right)), leave - 1], right[:, -1]) <= most:
            allowed.append((float(policy.forecast_layers(entropies).mean()), threshold))
    threshold = min(allowed)[1] if allowed else 0.0
    return StrategyChoice(
        FixedExit(fixed),
        EntropyExit(choose_threshold(logits, labels, loss_points).threshold),
        ForecastExit(threshold, predictor, check_on_the_way, slack_layers),
        f"at most {loss_points:g} accuracy points lost, chosen on {selection.name}",
    )


def compare_strategies(
    request: RunRequest, trace: OpTrace, chip: Chip, choice: StrategyChoice
) -> StrategyComparison:
    """Every strategy at full speed, then with the request's latency target; the latency-aware one
    only with it.

    Raises UnreachableTargetError where not even the latency-aware one could meet the target.
    """
    plain: list[tuple[str, ExitPolicy]] = [("no exit", FullDepth())]
    if choice.fixed is not None:
        plain.append(("fixed exit", choice.fixed))
    plain.append(("entropy exit", choice.entropy))
    full_speed = [(name, policy, None) for name, policy in plain]
    in_time = [
        (f"{name}, target", policy, request.target)
        for name, policy in [*plain, ("latency-aware", choice.forecast)]
    ]
    logs, opened = SegmentLogs(), Opened()
    rows: list[StrategyRow] = []
    hopeless: list[str] = []
    for name, policy, target in [*full_speed, *in_time]:
        strategy = "entropy" if isinstance(policy, EntropyExit) else None
        each = replace(request, exit_policy=policy, target=target, strategy=strategy)
        words = "full depth" if isinstance(policy, FullDepth) else policy.words()
        try:
            run = open_run(each, trace, chip, logs=logs, opened=opened)
            rows.append(StrategyRow(name, words, run.result))
        except UnreachableTargetError:
            if policy is choice.forecast:
                raise
            hopeless.append(name)
    return StrategyComparison(tuple(rows), tuple(hopeless))
