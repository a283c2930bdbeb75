"""A trace as a chip stores it: weights in its number format, zeros of activations that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim.functional.chip.operands import operands_of
from edgesim.functional.chip.profile import Profile
from edgesim.ir.optrace import OpTrace


def with_fitting_zeros(trace: OpTrace, profile: Profile | None) -> OpTrace:
    """The trace with zeros of activations only as far as they hold in an arithmetic.

    Zeros that were counted in another arithmetic (or where `profile` is None) are dropped, null
    vectors where the chip's vectors are longer than those counted: shorter ones are null at least
    as often. Zeros of no named arithmetic are left as they are.
    """
    if trace.zeros_profile is None:
        return trace
    if profile is None or profile.fingerprint != trace.zeros_profile:
        return _dense(trace)
    if profile.vector_size <= (trace.zeros_vector_size or 0):
        return trace
    return replace(
        trace,
        tensors={
            name: replace(tensor, null_vector_fraction=None)
            for name, tensor in trace.tensors.items()
        },
    )


def _dense(trace: OpTrace) -> OpTrace:
    """The trace without zeros of activations."""
    tensors = {
        name: replace(tensor, density=1.0, null_vector_fraction=None)
        if tensor.tensor_class == "activation"
        else tensor
        for name, tensor in trace.tensors.items()
    }
    return replace(
        trace, tensors=tensors, activation_statistics=None, zeros_profile=None,
        zeros_vector_size=None,
    )  # fmt: skip


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
