"""A trace as a chip of another number format stores it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim.functional.chip.operands import operands_of
from edgesim.functional.chip.profile import Profile
from edgesim.ir.optrace import OpTrace


def stored_as(trace: OpTrace, profile: Profile) -> OpTrace:
    """The trace with its weights rounded to the chip's format, bitmasks and densities counted anew.

    A trace without values, or whose weights are in that format already, is returned as it is.
    """
    formats = {trace.tensors[name].number_format for name in trace.values or {}}
    if trace.values is None or formats <= {None, profile.number_format}:
        return trace
    operands = operands_of(profile)
    values, tensors, masks = {}, dict(trace.tensors), dict(trace.masks)
    for name, given in trace.values.items():
        parameter = operands.parameter_for(float(np.max(np.abs(given), initial=0.0)))
        codes = operands.encode(given, parameter).codes
        rounded = operands.integers(codes) * operands.unit(parameter)
        values[name] = rounded.astype(np.float32)
        nonzero = values[name] != 0
        tensors[name] = replace(
            tensors[name], number_format=profile.number_format, density=float(nonzero.mean())
        )
        masks[name] = np.packbits(nonzero)
    return replace(trace, values=values, tensors=tensors, masks=masks)
