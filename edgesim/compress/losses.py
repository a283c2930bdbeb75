"""Losses of a multi-exit model: labels, soft targets of a teacher, hidden states."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgesim.compress.steps import Distil


def layer_weights(num_ramps: int) -> Tensor:
    """Weights of the ramps in joint training: the layer index (PABEE, Zhou et al., 2020)."""
    return torch.arange(1, num_ramps + 1, dtype=torch.float32)


def exit_loss(
    logits: Tensor, labels: Tensor, teacher: Tensor | None, distil: Distil | None, weight: Tensor
) -> Tensor:
    """Weighted mean over ramps of cross entropy mixed with the teacher's soft targets.

    Per ramp: w T^2 KL(softmax(v/T) || softmax(z/T)) + (1 - w) CE(y, z) (Hinton et al., 2015).
    `logits` (num_ramps, batch, labels), `teacher` (batch, labels), `weight` (num_ramps,).
    """
    total = logits.new_zeros(())
    for ramp in range(logits.shape[0]):
        if float(weight[ramp]) == 0:
            continue
        loss = F.cross_entropy(logits[ramp], labels)
        if teacher is not None and distil is not None:
            heat = distil.temperature
            soft = F.kl_div(
                F.log_softmax(logits[ramp] / heat, dim=-1),
                F.log_softmax(teacher / heat, dim=-1),
                reduction="batchmean",
                log_target=True,
            )
            loss = distil.weight * heat * heat * soft + (1 - distil.weight) * loss
        total = total + weight[ramp] * loss
    return total / weight.sum()


def matched_layers(num_student: int, num_teacher: int) -> list[tuple[int, int]]:
    """Pairs of 0-based layers whose states are compared; the last layers are always a pair.

    With n the smaller count, pair k of 1 … n takes layer k·count/n of each, rounded down.
    """
    smaller = min(num_student, num_teacher)
    return [
        (k * num_student // smaller - 1, k * num_teacher // smaller - 1)
        for k in range(1, smaller + 1)
    ]


def hidden_loss(
    student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], attention_mask: Tensor
) -> Tensor:
    """Mean squared error of matched layers over real tokens (as TinyBERT, Jiao et al., 2020)."""
    real = attention_mask.unsqueeze(-1).to(student[0].dtype)
    pairs = matched_layers(len(student), len(teacher))
    total = student[0].new_zeros(())
    for mine, theirs in pairs:
        error = ((student[mine] - teacher[theirs]) ** 2) * real
        total = total + error.sum() / (real.sum() * student[mine].shape[-1])
    return total / len(pairs)
