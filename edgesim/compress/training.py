"""The training loop: one stage of a recipe, resumable after a kill at its last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parametrize
from tqdm import tqdm

from edgesim.compress.attention_span import fix_spans, span_figures
from edgesim.compress.checkpoint import RECIPE_KEY, load_tensors, save_tensors
from edgesim.compress.components import (
    ENCODER,
    Component,
    ExitComponent,
    PruneComponent,
    QuantiseComponent,
    SpanComponent,
)
from edgesim.compress.embeddings import prepare_embeddings
from edgesim.compress.losses import exit_loss, hidden_loss
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.progress import INTERVAL, Progress
from edgesim.compress.pruning import clear_removed_heads, live_masks
from edgesim.compress.recipe import Stage
from edgesim.compress.rounding import detach_rounding
from edgesim.compress.text import TokenBatch, length_batches
from edgesim.compress.weights import CompressedWeight, attach, bake
from edgesim.errors import InputError

CHECKPOINT_STEPS = 200
CALIBRATION_BATCHES = 20
GRADIENT_NORM = 1.0
PRUNED_FRACTION = 1e-3
"""Zeros above which a matrix has been pruned: a trained one has next to none by chance."""
OPTIMISER_STATE = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class TrainingSet:
    """Tokenised rows and their labels; for distillation the teacher's logits (rows, labels) and,
    where its hidden states are compared, the teacher itself."""

    tokens: Sequence[NDArray[np.int64]]
    labels: NDArray[np.int64]
    teacher_logits: NDArray[np.float32] | None = None
    teacher: MultiExitClassifier | None = None


def ramp_logits(
    model: MultiExitClassifier, tokens: Sequence[NDArray[np.int64]], batch_size: int = 64
) -> NDArray[np.float32]:
    """Logits of every ramp in float32, shape (rows, num_ramps, num_labels), in row order."""
    model.eval()
    out = np.empty((len(tokens), len(model.ramps), model.num_labels), dtype=np.float32)
    with torch.inference_mode(), parametrize.cached():
        for batch in tqdm(
            list(length_batches(tokens, batch_size, None)), desc="evaluate", disable=None
        ):
            out[batch.rows] = model(*batch.tensors()).permute(1, 0, 2).numpy()
    return out


def visited_rows(
    tokens: Sequence[NDArray[np.int64]], stage: Stage, seed: int, max_steps: int | None = None
) -> NDArray[np.int64]:
    """Rows that a stage trains on, ascending: all of them from one whole epoch on."""
    per_epoch, num_steps = stage_steps(len(tokens), stage, max_steps)
    if num_steps >= per_epoch:
        return np.arange(len(tokens))
    batches = length_batches(tokens, stage.batch_size, np.random.default_rng([seed, 0]))
    return np.sort(np.concatenate([batch.rows for batch in islice(batches, num_steps)]))


def stage_steps(num_rows: int, stage: Stage, max_steps: int | None) -> tuple[int, int]:
    """Optimiser steps in an epoch and in the stage."""
    per_epoch = -(-num_rows // stage.batch_size)
    total = max(1, round(per_epoch * stage.epochs))
    return per_epoch, min(total, max_steps) if max_steps else total


class StageRun:
    """One stage in progress: model, optimiser, step counter and the components of its steps."""

    def __init__(
        self, model: MultiExitClassifier, stage: Stage, rows: TrainingSet, *, seed: int,
        checkpoint: Path, max_steps: int | None = None, recipe_sha256: str = "",
    ) -> None:  # fmt: skip
        self.model, self.stage, self.rows, self.seed = model, stage, rows, seed
        self.checkpoint, self.recipe_sha256 = checkpoint, recipe_sha256
        self.steps_per_epoch, self.num_steps = stage_steps(len(rows.tokens), stage, max_steps)
        self.step = 0
        torch.manual_seed(seed)
        prepare_embeddings(model, stage)
        self.compressed = self._attach()
        self.exits = ExitComponent(model, stage.exits, self.num_steps)
        self.components: list[Component] = [*self._components(), self.exits]
        own = [group for component in self.components for group in component.groups()]
        taken = {id(p) for group in own for p in group["params"]}
        self.trainable = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
        self.optimiser = torch.optim.AdamW(
            [{"params": self.trainable}, *own], lr=stage.learning_rate,
            weight_decay=stage.weight_decay,
        )  # fmt: skip
        self.rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.optimised = [p for group in self.optimiser.param_groups for p in group["params"]]

    def _attach(self) -> dict[str, CompressedWeight]:
        """Masks and rounding on every weight of the encoder layers and ramps, zeros kept."""
        stage, found = self.stage, dict[str, CompressedWeight]()
        pruned = any(
            float((p == 0).float().mean()) > PRUNED_FRACTION
            for p in self.model.encoder.encoder.parameters()  # type: ignore[union-attr]
            if p.dim() == 2
        )
        if stage.prune is None and stage.quantise is None and not pruned:
            return found
        scores = stage.prune is not None and stage.prune.method != "magnitude"
        for prefix, root in (
            (ENCODER, self.model.encoder.encoder), ("ramps.", self.model.ramps),
        ):  # fmt: skip
            assert isinstance(root, torch.nn.Module)
            with_scores = scores and prefix == ENCODER
            found |= {prefix + name: weight for name, weight in attach(root, with_scores).items()}
        return found

    def _components(self) -> Iterator[Component]:
        stage = self.stage
        if stage.span is not None:
            yield SpanComponent(self.model, stage.span, self.num_steps)
        if stage.prune is not None:
            yield PruneComponent(self.model, self.compressed, stage.prune, self.num_steps)
        if stage.quantise is not None and stage.quantise.mode == "training":
            yield QuantiseComponent(
                self.model, self.compressed, stage.quantise, self.num_steps, self.calibrate
            )

    def calibrate(self) -> None:
        """Show the model some training batches without training it."""
        rng = np.random.default_rng([self.seed, 0])
        self.model.eval()
        with torch.no_grad(), parametrize.cached():
            for count, batch in enumerate(
                length_batches(self.rows.tokens, self.stage.batch_size, rng)
            ):
                if count == CALIBRATION_BATCHES:
                    break
                self.model(*batch.tensors())

    def learning_rate(self, full: float) -> float:
        """Linear warm-up, then linear decay to zero, over the part of the stage under way."""
        first, end = self.exits.rate_span(self.step)
        step, num_steps = self.step - first, end - first
        warm = max(1, round(self.stage.warmup * num_steps))
        if step < warm:
            return full * (step + 1) / warm
        return full * (num_steps - step) / (num_steps - warm)

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

    def update_components(self) -> None:
        """Set spans, masks and rounding for the coming step."""
        for component in self.components:
            component.before_step(self.step)

    def train_step(self, batch: TokenBatch) -> tuple[float, float]:
        """One optimiser step; returns the loss and the share of right answers of the last ramp."""
        self.model.train()
        for full, group in zip(self.rates, self.optimiser.param_groups, strict=True):
            group["lr"] = self.learning_rate(full)
        loss, right = self.loss(batch)
        for component in self.components:
            extra = component.penalty()
            loss = loss if extra is None else loss + extra
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.trainable, GRADIENT_NORM)
        self.optimiser.step()
        for component in self.components:
            component.after_step()
        self.step += 1
        return float(loss.detach()), right

    def loss(self, batch: TokenBatch) -> tuple[Tensor, float]:
        """Loss of one batch without penalties, and the share of right answers."""
        distil, soft = self.stage.distil, self.rows.teacher_logits
        labels = torch.from_numpy(self.rows.labels[batch.rows])
        ids, mask = batch.tensors()
        bfloat16 = self.stage.precision == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16), parametrize.cached():
            states = self.model.states(ids, mask)
            logits = self.model.ramp_logits(states, mask).float()
        teacher = None if soft is None else torch.from_numpy(soft[batch.rows])
        loss = exit_loss(logits, labels, teacher, distil, self.exits.weight)
        if distil is not None and distil.hidden and self.rows.teacher is not None:
            with torch.no_grad():
                wanted = self.rows.teacher.states(ids, mask)
            loss = loss + distil.hidden * hidden_loss(states, wanted, mask)
        return loss, float((logits[-1].argmax(dim=-1) == labels).float().mean())

    def figures(self) -> dict[str, float]:
        """Zero fraction of the encoder matrices, mean span and heads off, as the masks stand."""
        kept = size = 0
        live = live_masks(self.model)
        for name, weight in self.compressed.items():
            if name.startswith(ENCODER) and weight.mask.dim() == 2:
                used = live.get(name)
                kept += int((weight.mask if used is None else weight.mask & used).sum())
                size += weight.mask.numel() if used is None else int(used.sum())
        longest = max(len(ids) for ids in self.rows.tokens)
        mean, off = span_figures(self.model, longest)
        zeros = 1 - kept / size if size else 0.0
        return {"zero_fraction": zeros, "mean_span": mean, "heads_off": off}

    def run(self) -> None:
        """Train to the end of the stage, from the checkpoint if there is one; then bake weights."""
        self.restore()
        table = self.checkpoint.with_name(f"{self.stage.name}.progress.tsv")
        progress = Progress(table, self.stage.name, self.num_steps, self.step)
        for batch in self.batches():
            self.update_components()
            progress.add(*self.train_step(batch))
            if self.step % INTERVAL == 0 or self.step == self.num_steps:
                progress.write(self.step, self.figures())
            if self.step % CHECKPOINT_STEPS == 0 and self.step < self.num_steps:
                self.save()
        progress.close()
        self.update_components()
        self.finish()

    def finish(self) -> None:
        """Leave plain modules: weights as the forward uses them, whole-token spans, no rounding."""
        bake(self.model)
        detach_rounding(self.model)
        fix_spans(self.model)
        clear_removed_heads(self.model)
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)
        self.model.encoder.embeddings.requires_grad_(False)
        quantise = self.stage.quantise
        if quantise is not None and quantise.mode == "post_training":
            for parameter in self.model.parameters():
                rounded = quantise.weight_format.quantize(parameter.detach().numpy())
                parameter.data = torch.from_numpy(rounded)

    def save(self) -> None:
        """Write model, optimiser and generator state; the file appears whole or not at all."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for index, parameter in enumerate(self.optimised):
            state: dict[str, Any] = self.optimiser.state.get(parameter, {})
            for key in OPTIMISER_STATE:
                if key in state:
                    tensors[f"optimiser.{index}.{key}"] = state[key]
        tensors["rng"] = torch.get_rng_state()
        meta = {"step": str(self.step), "of": str(self.num_steps), RECIPE_KEY: self.recipe_sha256}
        save_tensors(tensors, self.checkpoint, meta)

    def restore(self) -> None:
        """Continue from the checkpoint file, if it exists and belongs to this stage."""
        if not self.checkpoint.is_file():
            return
        tensors, meta = load_tensors(self.checkpoint, self.recipe_sha256)
        if int(meta["of"]) != self.num_steps:
            raise InputError(
                f"{self.checkpoint}: written by a run of {meta['of']} steps, this one has "
                f"{self.num_steps}; delete the file to start over"
            )
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        for index, parameter in enumerate(self.optimised):
            state = {
                key: tensors[f"optimiser.{index}.{key}"]
                for key in OPTIMISER_STATE
                if f"optimiser.{index}.{key}" in tensors
            }
            if state:
                self.optimiser.state[parameter] = state
        torch.set_rng_state(tensors["rng"])
        self.step = int(meta["step"])
