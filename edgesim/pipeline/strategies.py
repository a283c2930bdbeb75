"""Strategies side by side: full depth, a fixed exit, exit by entropy, and latency-aware exit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.compress.evaluate import choose_threshold, correct_answers, threshold_grid
from edgesim.errors import InputError, UnreachableTargetError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.exits import EntropyExit, ExitPolicy, FixedExit, ForecastExit
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.run_input import prepare
from edgesim.pipeline.simulate import play
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.statistics import loss_with_margin
from edgesim.tech import load_technology


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
    trace: OpTrace, chip: AcceleratorSpec, workload: Workload, choice: StrategyChoice,
    target: LatencyTarget, pad_to: int | None = None,
) -> StrategyComparison:  # fmt: skip
    """Every strategy at full speed, then with the target; the latency-aware one only with it.

    Raises UnreachableTargetError where not even the latency-aware one could meet it.
    """
    plain: list[tuple[str, ExitPolicy | None]] = [("no exit", None)]
    if choice.fixed is not None:
        plain.append(("fixed exit", choice.fixed))
    plain.append(("entropy exit", choice.entropy))
    asked = [(name, policy, None) for name, policy in plain]
    aimed = [*plain, ("latency-aware", choice.forecast)]
    logs, tables = SegmentLogs(), load_technology()
    rows: list[StrategyRow] = []
    hopeless: list[str] = []
    for name, policy, aim in [*asked, *((f"{n}, target", p, target) for n, p in aimed)]:
        strategy = "entropy" if isinstance(policy, EntropyExit) else None
        request = prepare(trace, workload, policy, pad_to, "float32", target=aim, strategy=strategy)
        words = "full depth" if policy is None else policy.words()
        try:
            rows.append(StrategyRow(name, words, play(request, chip, tables, logs).result()))
        except UnreachableTargetError:
            if policy is choice.forecast:
                raise
            hopeless.append(name)
    return StrategyComparison(tuple(rows), tuple(hopeless))
