"""The training loop: one stage of a recipe, resumable after a kill at its last checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Stage
from edgesim.compress.text import TokenBatch, length_batches
from edgesim.compress.weights import (
    CompressedWeight,
    attach,
    bake,
    cubic_fraction,
    magnitude_mask,
    original_weights,
)
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

CHECKPOINT_STEPS = 200
MASK_STEPS = 20
"""Steps between two updates of the pruning masks; fewer in a run of less than 400 steps."""
GRADIENT_NORM = 1.0
OPTIMISER_STATE = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class TrainingSet:
    """Tokenised rows, their labels and, for distillation, the teacher's logits (rows, labels)."""

    tokens: Sequence[NDArray[np.int64]]
    labels: NDArray[np.int64]
    teacher_logits: NDArray[np.float32] | None = None


def ramp_logits(
    model: MultiExitClassifier, tokens: Sequence[NDArray[np.int64]], batch_size: int = 64
) -> NDArray[np.float32]:
    """Logits of every ramp in float32, shape (rows, num_ramps, num_labels), in row order."""
    model.eval()
    out = np.empty((len(tokens), len(model.ramps), model.num_labels), dtype=np.float32)
    with torch.inference_mode():
        for batch in tqdm(
            list(length_batches(tokens, batch_size, None)), desc="evaluate", disable=None
        ):
            logits = model(
                torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
            )
            out[batch.rows] = logits.permute(1, 0, 2).numpy()
    return out


def joint_loss(logits: Tensor, labels: Tensor, teacher: Tensor | None, stage: Stage) -> Tensor:
    """Mean loss over ramps, weighted by layer index (as PABEE, Zhou et al., 2020)."""
    num_ramps = logits.shape[0]
    weight = torch.arange(1, num_ramps + 1, dtype=torch.float32)
    total = logits.new_zeros(())
    for ramp in range(num_ramps):
        loss = F.cross_entropy(logits[ramp], labels)
        if teacher is not None and stage.distil is not None:
            heat = stage.distil.temperature
            soft = F.kl_div(
                F.log_softmax(logits[ramp] / heat, dim=-1),
                F.log_softmax(teacher / heat, dim=-1),
                reduction="batchmean",
                log_target=True,
            )
            share = stage.distil.weight
            loss = share * heat * heat * soft + (1 - share) * loss
        total = total + weight[ramp] * loss
    return total / weight.sum()


class StageRun:
    """One stage in progress: model, optimiser, step counter and masks."""

    def __init__(
        self, model: MultiExitClassifier, stage: Stage, rows: TrainingSet, *, seed: int,
        checkpoint: Path, max_steps: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self.stage, self.rows, self.seed = model, stage, rows, seed
        self.checkpoint = checkpoint
        self.steps_per_epoch = -(-len(rows.tokens) // stage.batch_size)
        total = max(1, round(self.steps_per_epoch * stage.epochs))
        self.num_steps = min(total, max_steps) if max_steps else total
        self.mask_steps = min(MASK_STEPS, max(1, self.num_steps // MASK_STEPS))
        self.step = 0
        self.compressed: dict[str, CompressedWeight] = {}
        torch.manual_seed(seed)
        if stage.prune is not None or stage.quantise is not None:
            self._prepare_compression()
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.trainable, lr=stage.learning_rate, weight_decay=stage.weight_decay
        )

    def _prepare_compression(self) -> None:
        embeddings: Any = self.model.encoder.embeddings
        if self.stage.embeddings is not None:
            for name, weight in embeddings.named_parameters():
                if weight.dim() == 2 and "LayerNorm" not in name:
                    mask = magnitude_mask(weight, self.stage.embeddings.prune_fraction)
                    weight.data = torch.where(mask, weight.data, torch.zeros(()))
                weight.data = self._rounded(weight.data)
        for root in (self.model.encoder.encoder, self.model.ramps):
            assert isinstance(root, torch.nn.Module)
            prefix = "ramps" if root is self.model.ramps else "encoder.encoder"
            for name, weight in attach(root).items():
                self.compressed[f"{prefix}.{name}"] = weight

    def _rounded(self, weight: Tensor) -> Tensor:
        number_format = self.number_format
        if number_format is None:
            return weight
        return torch.from_numpy(number_format.quantize(weight.numpy()))

    @property
    def number_format(self) -> AdaptivFloat | None:
        """The weight format of the stage, or None."""
        chosen = self.stage.quantise
        return None if chosen is None else AdaptivFloat(chosen.format_bits, chosen.exponent_bits)

    def _originals(self) -> dict[str, Tensor]:
        return dict(original_weights(self.model))

    def update_compression(self) -> float:
        """Set masks and rounding for the coming step; returns the encoder's zero fraction."""
        progress = self.step / self.num_steps
        zero_fraction = 0.0
        if self.stage.prune is not None:
            prune = self.stage.prune
            zero_fraction = cubic_fraction(progress, prune.start, prune.end, prune.final_fraction)
            frozen = progress > prune.end and self.step % (10 * self.mask_steps)
            if self.step % self.mask_steps == 0 and not frozen:
                originals = self._originals()
                for name, weight in self.compressed.items():
                    if name.startswith("encoder.encoder") and weight.mask.dim() == 2:
                        weight.mask.copy_(magnitude_mask(originals[name], zero_fraction))
        if self.stage.quantise is not None and progress >= self.stage.quantise.start:
            for weight in self.compressed.values():
                weight.number_format = self.number_format
        return zero_fraction

    def learning_rate(self) -> float:
        """Linear warm-up, then linear decay to zero."""
        warm = max(1, round(self.stage.warmup * self.num_steps))
        if self.step < warm:
            return self.stage.learning_rate * (self.step + 1) / warm
        return self.stage.learning_rate * (self.num_steps - self.step) / (self.num_steps - warm)

    def batches(self) -> Iterator[TokenBatch]:
        """The batches from the current step on; each epoch has its own shuffle."""
        while self.step < self.num_steps:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            rng = np.random.default_rng([self.seed, epoch])
            for i, batch in enumerate(length_batches(self.rows.tokens, self.stage.batch_size, rng)):
                if i >= done:
                    yield batch
                    if self.step >= self.num_steps:
                        return

    def train_step(self, batch: TokenBatch) -> float:
        """One optimiser step; returns the loss."""
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        teacher = self.rows.teacher_logits
        labels = torch.from_numpy(self.rows.labels[batch.rows])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.stage.precision == "bfloat16"):
            logits = self.model(
                torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
            )
        loss = joint_loss(
            logits.float(), labels,
            None if teacher is None else torch.from_numpy(teacher[batch.rows]), self.stage,
        )  # fmt: skip
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.trainable, GRADIENT_NORM)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def run(self) -> None:
        """Train to the end of the stage, from the checkpoint if there is one; then bake weights."""
        self.restore()
        bar = tqdm(total=self.num_steps, initial=self.step, desc=self.stage.name, disable=None)
        for batch in self.batches():
            zero_fraction = self.update_compression()
            loss = self.train_step(batch)
            bar.update()
            if self.step % 20 == 0:
                bar.set_postfix(loss=f"{loss:.3f}", zeros=f"{zero_fraction:.2f}")
            if self.step % CHECKPOINT_STEPS == 0 and self.step < self.num_steps:
                self.save()
        bar.close()
        self.update_compression()
        bake(self.model)

    def save(self) -> None:
        """Write model, optimiser and generator state; the file appears whole or not at all."""
        tensors = {f"model.{k}": v.contiguous() for k, v in self.model.state_dict().items()}
        for index, parameter in enumerate(self.trainable):
            state = self.optimiser.state[parameter]
            for key in OPTIMISER_STATE:
                tensors[f"optimiser.{index}.{key}"] = state[key]
        tensors["rng"] = torch.get_rng_state()
        partial = self.checkpoint.with_suffix(".partial")
        save_file(tensors, partial, metadata={"step": str(self.step), "of": str(self.num_steps)})
        os.replace(partial, self.checkpoint)

    def restore(self) -> None:
        """Continue from the checkpoint file, if it exists and belongs to this stage."""
        if not self.checkpoint.is_file():
            return
        with safe_open(self.checkpoint, framework="pt") as stored:
            meta = stored.metadata()
            if int(meta["of"]) != self.num_steps:
                raise InputError(
                    f"{self.checkpoint}: written by a run of {meta['of']} steps, this one has "
                    f"{self.num_steps}; delete the file to start over"
                )
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        for index, parameter in enumerate(self.trainable):
            self.optimiser.state[parameter] = {
                key: tensors[f"optimiser.{index}.{key}"] for key in OPTIMISER_STATE
            }
        torch.set_rng_state(tensors["rng"])
        self.step = int(meta["step"])
