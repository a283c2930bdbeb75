"""A request against a trace: sentences, lengths and exit layers, and the hashes of all inputs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import Chip, chip_content
from edgesim.ir.exits import ExitDecision, ExitPolicy, FullDepth
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.trace_file import trace_hash
from edgesim.ir.workload import Workload
from edgesim.numerics.formats import parse_format
from edgesim.tech import Technology


@dataclass(frozen=True, eq=False)
class RunInput:
    """A request resolved against a trace."""

    request: RunRequest
    """Its workload holds answers in its arithmetic."""
    trace: OpTrace
    """As the chip stores it."""
    policy: ExitPolicy
    num_tokens: NDArray[np.int64]
    decision: ExitDecision

    @property
    def workload(self) -> Workload | None:
        """The sentences with their answers."""
        return self.request.workload

    @property
    def target(self) -> LatencyTarget | None:
        """The latency target."""
        return self.request.target

    @property
    def exit_layers(self) -> NDArray[np.int64]:
        """1-based layer after which each sentence leaves."""
        return self.decision.exit_layers

    @property
    def early_exit(self) -> bool:
        """Whether sentences leave by their entropy."""
        return self.decision.checks_entropy

    def stated(self) -> dict[str, Any]:
        """What the run was asked for, as results and timelines state it."""
        request, target = self.request, self.target
        return {
            "exit": self.policy.words() if self.trace.has_exits else "n/a",
            "exit_threshold": getattr(self.policy, "threshold", None),
            "strategy": self.decision.strategy,
            "latency_target_s": None if target is None else target.seconds,
            "latency_target_fraction": None if target is None else target.fraction,
            "pad_to": request.pad_to,
            "arithmetic": request.arithmetic,
            "weights": "compressed" if self.trace.masks else "dense",
            "workload": None if self.workload is None else self.workload.name,
        }


def run_input(request: RunRequest, trace: OpTrace) -> RunInput:
    """Lengths and exit layers of a run; InputError for settings that do not fit together, and for
    number formats of the trace that do not exist, before anything is planned.
    """
    for name in dict.fromkeys(tensor.number_format for tensor in trace.tensors.values()):
        if name is not None:
            parse_format(name)
    num_tokens = _lengths(trace, request.workload, request.pad_to)
    policy = request.followed_policy
    decision = _decision(trace, request.workload, policy, len(num_tokens))
    return RunInput(request, trace, policy, num_tokens, decision)


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


def input_hashes(inputs: RunInput, chip: Chip, technology: Technology) -> dict[str, str]:
    """SHA-256 of every input of a run."""
    chip_text = json.dumps(chip_content(chip), sort_keys=True)
    hashes = {
        "trace": trace_hash(inputs.trace),
        "chip": hashlib.sha256(chip_text.encode()).hexdigest(),
        "technology": technology.content_hash(),
    }
    if inputs.workload is not None:
        hashes["workload"] = inputs.workload.content_hash()
    return hashes
