"""The steps of a stage at work: each watches the step count and changes the model beside the loss.

They compose: any of them may be absent, and each touches only what is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from edgesim.compress.attention import use_edgesim_attention
from edgesim.compress.attention_span import learn_spans, turn_heads_off
from edgesim.compress.losses import layer_weights
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import cubic_fraction, largest_mask, live_masks
from edgesim.compress.rounding import attach_rounding
from edgesim.compress.steps import Exits, Prune, Quantise, Span
from edgesim.compress.weights import CompressedWeight, original_weights

ENCODER = "encoder.encoder."
MASK_STEPS = 20
"""Steps between two updates of masks; fewer in a run of less than 400 steps."""

Groups = list[dict[str, Any]]


class Component:
    """What a step may do around an optimiser step; by default nothing."""

    def groups(self) -> Groups:
        """Parameter groups of its own, with learning rate."""
        return []

    def before_step(self, step: int) -> None:
        """Bring the model to its state for this step; called again after a resume."""

    def penalty(self) -> Tensor | None:
        """A term of the loss."""
        return None

    def after_step(self) -> None:
        """Repair what the optimiser may have broken."""


class SpanComponent(Component):
    """Learns spans, turns heads off on schedule, then keeps whole tokens."""

    def __init__(self, model: MultiExitClassifier, span: Span, num_steps: int) -> None:
        self.settings, self.num_steps = span, num_steps
        use_edgesim_attention(model.encoder)
        self.learned = learn_spans(model.encoder, span.ramp, span.max_span, span.initial)
        self.mask_steps = mask_steps(num_steps)

    def groups(self) -> Groups:
        z = [span.z for span in self.learned]
        return [{"params": z, "lr": self.settings.learning_rate, "weight_decay": 0.0}]

    def before_step(self, step: int) -> None:
        progress, span = step / self.num_steps, self.settings
        hard = progress >= span.harden
        soft = not all(bool(s.hard) for s in self.learned)
        if span.heads_off is not None and soft and (hard or step % self.mask_steps == 0):
            share = cubic_fraction(progress, span.harden / 2, span.harden, span.heads_off)
            turn_heads_off(self.learned, share, exact=True)
        if hard:
            for learned in self.learned:
                learned.harden()

    def penalty(self) -> Tensor | None:
        if any(bool(span.hard) for span in self.learned):
            return None
        return self.settings.penalty * torch.cat([span.z for span in self.learned]).mean()

    def after_step(self) -> None:
        for span in self.learned:
            span.clamp()


class PruneComponent(Component):
    """Sets the masks of the encoder matrices on the cubic schedule."""

    def __init__(
        self, model: MultiExitClassifier, weights: Mapping[str, CompressedWeight], prune: Prune,
        num_steps: int,
    ) -> None:  # fmt: skip
        self.model, self.settings, self.num_steps = model, prune, num_steps
        self.weights = {
            name: weight
            for name, weight in weights.items()
            if name.startswith(ENCODER) and weight.mask.dim() == 2
        }
        self.mask_steps = mask_steps(num_steps)
        self.share = 0.0

    def groups(self) -> Groups:
        scores = [w.scores for w in self.weights.values() if w.scores is not None]
        rate = self.settings.score_learning_rate
        return [{"params": scores, "lr": rate, "weight_decay": 0.0}] if scores else []

    def before_step(self, step: int) -> None:
        progress, prune = step / self.num_steps, self.settings
        whole = prune.final_fraction if prune.final_fraction is not None else 1.0
        self.share = cubic_fraction(progress, prune.start, prune.end, whole)
        settled = progress > prune.end and step % (10 * self.mask_steps)
        if step % self.mask_steps == 0 and not settled:
            self.set_masks()

    @torch.no_grad()
    def set_masks(self) -> None:
        """New masks from the weights or scores as they are."""
        originals = dict(original_weights(self.model))
        live = live_masks(self.model)
        for name, weight in self.weights.items():
            if self.settings.method == "soft_movement":
                assert weight.scores is not None
                kept = torch.sigmoid(weight.scores) > self.settings.threshold
                weight.mask.copy_(kept & weight.allowed)
                continue
            used = live.get(name)
            allowed = weight.allowed if used is None else weight.allowed & used
            size = weight.mask.numel() if used is None else int(used.sum())
            score = originals[name].abs() if weight.scores is None else weight.scores
            weight.mask.copy_(largest_mask(score, size - round(self.share * size), allowed))

    def penalty(self) -> Tensor | None:
        if self.settings.method != "soft_movement" or self.settings.penalty == 0:
            return None
        scores = [w.scores for w in self.weights.values() if w.scores is not None]
        total = torch.stack([torch.sigmoid(s).sum() for s in scores]).sum()
        return self.settings.penalty * self.share * total / sum(s.numel() for s in scores)


class QuantiseComponent(Component):
    """Switches rounding on: of weights, and of activations after a look at their magnitudes."""

    def __init__(
        self, model: MultiExitClassifier, weights: Mapping[str, CompressedWeight],
        quantise: Quantise, num_steps: int, calibrate: Callable[[], None],
    ) -> None:  # fmt: skip
        self.weights, self.settings, self.num_steps = weights, quantise, num_steps
        self.calibrate = calibrate
        self.operands = []
        if quantise.activation_format is not None:
            use_edgesim_attention(model.encoder)
            self.operands = attach_rounding(model, quantise.activation_format)

    def before_step(self, step: int) -> None:
        if step / self.num_steps < self.settings.start:
            return
        for weight in self.weights.values():
            weight.number_format = self.settings.weight_format
        if self.operands and self.operands[0].mode == "off":
            if all(float(operand.largest.max()) == 0 for operand in self.operands):
                for operand in self.operands:
                    operand.mode = "observe"
                self.calibrate()
            for operand in self.operands:
                operand.mode = "round"


class ExitComponent(Component):
    """Which ramps are trained: all by layer index, or the last one and then the others."""

    def __init__(self, model: MultiExitClassifier, exits: Exits, num_steps: int) -> None:
        self.model, self.settings, self.num_steps = model, exits, num_steps
        self.weight = layer_weights(len(model.ramps))
        self.first_ramp_step = round(exits.ramp_start * num_steps)

    def groups(self) -> Groups:
        rate = self.settings.ramp_learning_rate
        if self.settings.mode == "joint" or rate is None:
            return []
        others = [p for ramp in list(self.model.ramps)[:-1] for p in ramp.parameters()]
        return [{"params": others, "lr": rate}]

    def before_step(self, step: int) -> None:
        if self.settings.mode == "joint":
            return
        last = torch.arange(len(self.weight)) == len(self.weight) - 1
        ramps = step >= self.first_ramp_step and len(self.weight) > 1
        self.weight = (~last if ramps else last).float()
        for ramp, weight in zip(self.model.ramps, self.weight.tolist(), strict=True):
            ramp.requires_grad_(weight > 0)
        if ramps:
            self.model.encoder.requires_grad_(False)

    def rate_span(self, step: int) -> tuple[int, int]:
        """First step and end of the part of the stage that the learning rate belongs to."""
        if self.settings.mode == "joint":
            return 0, self.num_steps
        if step < self.first_ramp_step:
            return 0, self.first_ramp_step
        return self.first_ramp_step, self.num_steps


def mask_steps(num_steps: int) -> int:
    """Steps between two updates of masks."""
    return min(MASK_STEPS, max(1, num_steps // MASK_STEPS))
