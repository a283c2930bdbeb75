"""The arithmetic of a run: a workload whose answers are those of the chip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim.errors import InputError
from edgesim.functional.chip.arithmetic import chip_arithmetic
from edgesim.functional.chip.operands import operands_of
from edgesim.functional.chip.profile import Profile, profile_of
from edgesim.functional.chip.remarks import remarks
from edgesim.functional.chip.storage import stored_as, with_fitting_zeros
from edgesim.functional.execution import Arithmetic, execute_all
from edgesim.functional.float32 import float32_arithmetic
from edgesim.functional.released import released_arithmetic
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RELEASED, SOUND, checked_arithmetic
from edgesim.ir.workload import Workload


def answered(
    trace: OpTrace, chip: Chip, workload: Workload | None, arithmetic: str
) -> tuple[Workload | None, str]:
    """The workload with logits and entropies in an arithmetic, and the arithmetic's name.

    A chip that is no accelerator computes in float32 whatever is asked. Answers that were
    recorded in the arithmetic are taken; otherwise the trace is executed on the token ids, which
    must stand in their order. InputError where neither is possible.
    """
    checked_arithmetic(arithmetic)
    if not isinstance(chip, AcceleratorSpec):
        arithmetic = FLOAT32
    profile = (
        profile_of(chip) if isinstance(chip, AcceleratorSpec) and arithmetic == SOUND else None
    )
    if profile is not None:
        operands_of(profile)  # refuses formats without values
    if workload is None:
        return None, arithmetic
    wanted = "" if profile is None else profile.fingerprint
    if workload.arithmetic == arithmetic and workload.profile == wanted:
        return workload, arithmetic
    if not workload.in_order or workload.token_ids is None:
        raise InputError(_not_recorded(workload, chip, arithmetic))
    return execute_workload(trace, workload, arithmetic, profile), arithmetic


def as_stored(trace: OpTrace, chip: Chip, arithmetic: str) -> OpTrace:
    """The trace as a chip stores it: in `chip` arithmetic with weights in the chip's own format.

    Zeros of activations stay where they were counted in the chip's arithmetic.
    """
    if not isinstance(chip, AcceleratorSpec):
        return trace
    own = None if chip.arithmetic is None or arithmetic == RELEASED else profile_of(chip)
    trace = with_fitting_zeros(trace, own)
    return trace if arithmetic != SOUND else stored_as(trace, profile_of(chip))


def _not_recorded(workload: Workload, chip: Chip, arithmetic: str) -> str:
    if workload.arithmetic == arithmetic:
        held = f"answers in the {arithmetic} arithmetic of another chip than {chip.name}"
    else:
        held = f"answers in {workload.arithmetic}"
    return (
        f"workload {workload.name!r} holds {held} and token ids without their order, so "
        f"{arithmetic} cannot be executed on it; name the model with --sentences FILE.tsv"
    )


def execute_workload(
    trace: OpTrace, workload: Workload, arithmetic: str, profile: Profile | None
) -> Workload:
    """The workload with what the trace answers in an arithmetic; token ids stand in order.

    The released test is entropy <= threshold: its entropies are stored one float64 below their
    value and from 0 up, so that a test for strictly below decides the same at any positive
    threshold.
    """
    assert workload.token_ids is not None
    notes: tuple[str, ...] = ()
    executed = _executed(trace, arithmetic, profile)
    answers = execute_all(trace, workload.token_ids, executed, label=arithmetic)
    entropies = answers.entropies
    if profile is not None:
        notes = remarks(executed)  # type: ignore[arg-type]
    elif arithmetic == RELEASED and entropies is not None:
        entropies = np.maximum(np.nextafter(entropies, -np.inf), 0.0)
        notes = ("a sentence leaves at an entropy of at most the threshold, as released",)
    return replace(
        workload, logits=answers.logits, entropies=entropies, arithmetic=arithmetic,
        profile="" if profile is None else profile.fingerprint, notes=notes,
    )  # fmt: skip


def arithmetic_on(trace: OpTrace, chip: Chip, arithmetic: str) -> Arithmetic:
    """How a trace is executed in an arithmetic, on a chip where it is the chip's own."""
    profile = None
    if checked_arithmetic(arithmetic) == SOUND and isinstance(chip, AcceleratorSpec):
        profile = profile_of(chip)
    return _executed(trace, arithmetic, profile)


def _executed(trace: OpTrace, arithmetic: str, profile: Profile | None) -> Arithmetic:
    if profile is not None:
        return chip_arithmetic(trace, profile)
    return released_arithmetic(trace) if arithmetic == RELEASED else float32_arithmetic(trace)
