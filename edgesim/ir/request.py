"""RunRequest: all that a run is asked for besides the trace, the chip and the technology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgesim.errors import InputError
from edgesim.ir.exits import (
    STRATEGIES,
    EntropyExit,
    ExitPolicy,
    FixedExit,
    ForecastExit,
    FullDepth,
)
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.workload import Workload

FLOAT32, SOUND, RELEASED = "float32", "chip", "edgebert-hls-as-released"
ARITHMETICS = (FLOAT32, SOUND, RELEASED)
POLICIES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "no-exit": ((FullDepth,), "no exit threshold and no exit layer"),
    "fixed": ((FixedExit,), "an exit layer (--exit-layer K, es.FixedExit)"),
    "entropy": ((EntropyExit,), "an exit threshold (--exit-threshold H, es.EntropyExit)"),
    "latency-aware": (
        (EntropyExit, ForecastExit), "an exit threshold (--exit-threshold H, es.EntropyExit)"
    ),
}  # fmt: skip
"""Exit policies that each strategy can follow, and what a user gives to name one."""


@dataclass(frozen=True)
class RunRequest:
    """Sentences, exits, padding, arithmetic, precision and latency target of one run.

    Command line, Python keywords and sweep points all become one; `pipeline.opening.open_run`
    turns it into a run.
    """

    workload: Workload | None = None
    """None runs one sentence of `pad_to` tokens."""
    exit_policy: ExitPolicy = field(default_factory=FullDepth)
    pad_to: int | None = None
    """Tokens of every sentence; None keeps each sentence's own count."""
    arithmetic: str = FLOAT32
    """In which answers and exits are computed, one of ARITHMETICS."""
    precision: str | None = None
    """Row of a GPU, such as `fp16`; None is the GPU's first. No other chip has one."""
    target: LatencyTarget | None = None
    strategy: str | None = None
    """One of STRATEGIES; None follows from the exit policy, the target and the workload."""

    def __post_init__(self) -> None:
        checked_arithmetic(self.arithmetic)
        pad_to = self.pad_to
        if pad_to is not None and (
            isinstance(pad_to, bool) or not isinstance(pad_to, (int, np.integer))
        ):
            raise InputError(f"pad_to {pad_to!r}: a whole number of tokens is wanted")
        if self.strategy is not None and self.strategy not in STRATEGIES:
            raise InputError(f"strategy {self.strategy!r}; allowed: {', '.join(STRATEGIES)}")

    @classmethod
    def of(
        cls, *, exit_policy: ExitPolicy | None = None, exit_threshold: float | None = None,
        exit_layer: int | None = None, latency_target_s: float | None = None,
        latency_target_fraction: float | None = None, **parts: Any,
    ) -> RunRequest:  # fmt: skip
        """A request from plain values; `parts` are further fields.

        Raises InputError for several exit rules, for two latency targets, and for values out of
        range.
        """
        policies: list[ExitPolicy] = [] if exit_policy is None else [exit_policy]
        if exit_threshold is not None:
            policies.append(EntropyExit(exit_threshold))
        if exit_layer is not None:
            policies.append(FixedExit(exit_layer))
        if len(policies) > 1:
            raise InputError("an exit threshold and an exit layer exclude each other")
        target = LatencyTarget.of(latency_target_s, latency_target_fraction)
        policy = policies[0] if policies else FullDepth()
        return cls(exit_policy=policy, target=target, **parts)

    def with_workload(self, workload: Workload | None, arithmetic: str | None = None) -> RunRequest:
        """The same request for other sentences, or for answers in another arithmetic."""
        return replace(self, workload=workload, arithmetic=arithmetic or self.arithmetic)

    @property
    def followed_policy(self) -> ExitPolicy:
        """The exit policy that the run follows; InputError where policy and strategy disagree.

        With a latency target an EntropyExit becomes a ForecastExit where the workload holds a
        predictor; the strategy `entropy` keeps it, `latency-aware` insists on a predictor.
        """
        policy, strategy = self.exit_policy, self.strategy
        if strategy is not None:
            kinds, words = POLICIES[strategy]
            if not isinstance(policy, kinds):
                raise InputError(f"strategy {strategy} needs {words}")
            if strategy == "latency-aware" and self.target is None:
                raise InputError(
                    "strategy latency-aware needs a latency target (--latency-target S)"
                )
        insists = strategy == "latency-aware"
        forecasts = insists or (self.target is not None and strategy is None)
        if not isinstance(policy, EntropyExit) or not forecasts:
            return policy
        predictor = None if self.workload is None else self.workload.predictor
        if predictor is None and insists:
            raise InputError(
                "strategy latency-aware needs an exit predictor and the workload holds none; fit "
                "one (edgesim predictor MODEL --data DIR) or pass es.ForecastExit"
            )
        return policy if predictor is None else ForecastExit(policy.threshold, predictor)


def checked_arithmetic(name: str) -> str:
    """The name; InputError for an arithmetic that does not exist."""
    if name not in ARITHMETICS:
        raise InputError(f"arithmetic {name!r}; allowed: {', '.join(ARITHMETICS)}")
    return name
