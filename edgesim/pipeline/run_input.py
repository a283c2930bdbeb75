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
from edgesim.ir.exits import EntropyExit
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import trace_hash
from edgesim.ir.workload import Workload
from edgesim.tech import Technology

ARITHMETICS = ("float32",)


@dataclass(frozen=True, eq=False)
class RunInput:
    """Sentences as a run sees them: lengths, exit layers, and what the run was asked for."""

    trace: OpTrace
    workload: Workload | None
    num_tokens: NDArray[np.int64]
    exit_layers: NDArray[np.int64]
    early_exit: bool
    settings: dict[str, Any]


def prepare(
    trace: OpTrace, workload: Workload | None, exit_policy: EntropyExit | None,
    pad_to: int | None, arithmetic: str,
) -> RunInput:  # fmt: skip
    """Lengths and exit layers of a run; InputError for settings that do not fit together."""
    if arithmetic not in ARITHMETICS:
        raise InputError(f"arithmetic {arithmetic!r}; allowed: {', '.join(ARITHMETICS)}")
    num_tokens = _lengths(trace, workload, pad_to)
    exit_layers = _exit_layers(trace, workload, exit_policy, len(num_tokens))
    settings = {
        "exit": "off" if exit_policy is None else f"entropy < {exit_policy.threshold:g}",
        "exit_threshold": None if exit_policy is None else exit_policy.threshold,
        "pad_to": pad_to,
        "arithmetic": arithmetic,
        "weights": "compressed" if trace.masks else "dense",
        "workload": None if workload is None else workload.name,
    }
    if not trace.has_exits:
        settings["exit"] = "n/a"
    early = exit_policy is not None
    return RunInput(trace, workload, num_tokens, exit_layers, early, settings)


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


def _exit_layers(
    trace: OpTrace, workload: Workload | None, exit_policy: EntropyExit | None, count: int
) -> NDArray[np.int64]:
    full = np.full(count, trace.num_layers, dtype=np.int64)
    if workload is not None and workload.entropies is not None and trace.has_exits:
        layers = workload.entropies.shape[1]
        if layers != trace.num_layers:
            raise InputError(
                f"workload {workload.name!r} has entropies of {layers} layers, the trace "
                f"{trace.name!r} has {trace.num_layers}; record it with this model"
            )
    if exit_policy is None:
        return full
    if not trace.has_exits:
        raise InputError(f"{trace.name!r} has no off-ramps; leave the exit threshold out")
    if workload is None or workload.entropies is None:
        raise InputError(
            "early exit needs a workload with entropies (--workload W or --sentences F)"
        )
    return exit_policy.exit_layers(workload.entropies)


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
