"""The arithmetic of a chip as data: registers, words and tables that decide its values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Segments = Annotated[int, Field(ge=4, le=4096)]


class WordSpec(BaseModel):
    """A two's complement fixed-point word; it saturates and rounds to nearest, ties to even."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: Annotated[int, Field(ge=8, le=24)]
    """All bits, sign included."""
    fraction_bits: Annotated[int, Field(ge=2, le=20)]
    """Bits behind the point: 16 bits with 10 of them are Q6.10."""


class ArithmeticSpec(BaseModel):
    """What the values of a chip depend on besides `pu.number_format` and `pu.accumulator_bits`.

    Tables hold `segments` + 1 entries, between which results are interpolated linearly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exponent_bias: tuple[Annotated[int, Field(ge=-64, le=64)], Annotated[int, Field(ge=-64, le=64)]]
    """Lowest and highest exponent bias that a tensor's register holds; others are clamped."""
    scale_bits: Annotated[int, Field(ge=2, le=24)]
    """Significant bits of the constant that multiplies an accumulator on its way out."""
    word: WordSpec
    """Word of the special function unit and of the activation functions' input."""
    function_bits: Annotated[int, Field(ge=8, le=18)]
    """Fraction bits of table entries and of what exp, 1/x, 1/sqrt and activations give."""
    exponential_segments: Segments
    """Of 2^f for a fraction f."""
    logarithm_segments: Segments
    """Of log2(m) for a significand m in 1 … 2."""
    reciprocal_segments: Segments
    """Of 1/m for a significand m in 1 … 2."""
    inverse_root_segments: Segments
    """Of 1/sqrt(m) for each unit of a significand m in 1 … 4."""
    activation_segments: Segments
    """Of GELU's and tanh's tables."""
    activation_limit: Annotated[int, Field(ge=1, le=64)]
    """Magnitude behind which GELU is ReLU and tanh is its last entry."""

    @model_validator(mode="after")
    def _consistent(self) -> ArithmeticSpec:
        low, high = self.exponent_bias
        if low > high:
            raise ValueError(f"exponent_bias: got [{low}, {high}]; the lowest comes first")
        if self.word.fraction_bits >= self.word.bits:
            raise ValueError(
                f"word: {self.word.fraction_bits} fraction bits do not fit into {self.word.bits}"
            )
        if self.word.fraction_bits > self.function_bits:
            raise ValueError(
                f"function_bits: got {self.function_bits}; at least the word's "
                f"{self.word.fraction_bits} fraction bits"
            )
        powers = {
            "exponential_segments": (self.exponential_segments, self.function_bits),
            "logarithm_segments": (self.logarithm_segments, self.function_bits),
            "reciprocal_segments": (self.reciprocal_segments, self.function_bits),
            "inverse_root_segments": (self.inverse_root_segments, self.function_bits),
            "activation_segments": (
                self.activation_segments, self.word.fraction_bits, self.activation_limit
            ),
            "activation_limit": (self.activation_limit, 20),
        }  # fmt: skip
        for name, (segments, bits, *limit) in powers.items():
            most = (limit[0] if limit else 1) << bits
            if segments & (segments - 1) or segments > most:
                raise ValueError(f"{name}: got {segments}; allowed are powers of two up to {most}")
        return self
