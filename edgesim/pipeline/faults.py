"""Accuracy with faulty memories: stored form, random faults, decoded weights, forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.functional.faults import (
    CellFaults,
    Damage,
    StoredTensor,
    cell_faults,
    damage,
    store,
    widened_to,
)
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.exits import EntropyExit
from edgesim.ir.fault_study import FaultPoint, FaultStudy, FaultTrial
from edgesim.ir.optrace import OpTrace
from edgesim.mapping.layouts import WEIGHT_CLASSES, stored_layouts
from edgesim.numerics import parse_format
from edgesim.pipeline.activation_faults import ACTIVATION, activation_runs
from edgesim.pipeline.activation_faults import ASSUMED as ACTIVATION_ASSUMED
from edgesim.pipeline.models import ModelFolder, find_model
from edgesim.pipeline.output import write_json, write_text
from edgesim.tech import Technology, load_technology

if TYPE_CHECKING:
    from edgesim.compress.altered_weights import SentenceRuns

DEMO_SENTENCES = "demo_sentences.tsv"
MASK_MEDIUM = "reram_slc"
ALLOWED_LOSS_POINTS = "1"
TENSOR_CLASSES = (*WEIGHT_CLASSES, ACTIVATION)
ASSUMED = (
    "bits are cut into cells without gaps, row by row; cells of 3 bits may hold parts of two codes",
    "every tensor of the class rests in the medium, whatever its capacity on the chip",
    "levels as just programmed: no retention loss, drift, temperature or read disturb",
    "a decoder that runs past the last row of a block reads 0",
)
NOT_MODELLED = (
    "faults in exponent biases and in the pointers of embedding blocks",
    "error correction",
    "dependence between the faults of neighbouring cells",
)


@dataclass(frozen=True)
class FaultConditions:
    """What is varied in a study."""

    medium: str = "reram_mlc3"
    """Where the codes of non-zeros rest."""
    mask_media: tuple[str, ...] = ()
    """Where the bitmask rests, one condition each; empty: SLC, and the same medium as the codes."""
    codings: tuple[str, ...] = ("binary",)
    """Which bits a level stands for, one condition each."""
    rates: tuple[float, ...] = ()
    """Cell fault rates to widen the levels to, besides the medium's own. A mask in the medium of
    the codes is widened with them; one in another medium keeps that medium's own rate."""
    mask_rate: float | None = None
    """Cell fault rate of the mask in all conditions, instead of its medium's."""
    num_trials: int = 100
    seed: int = 0


def fault_study(
    model: str | Path, tensor_class: str, conditions: FaultConditions, chip: Chip, *,
    data_dir: Path | None = None, sentences: Path | None = None,
    exit_threshold: float | None = None, with_exit: bool = True,
) -> FaultStudy:  # fmt: skip
    """Accuracy of a zoo model with faults in one class of stored weights, or in activations.

    The text is DATA/task/dev.tsv, or a TSV of sentences, or the model's demo sentences. With
    `with_exit`, early exit is measured too, at the given threshold or at the model's own for one
    point of loss. Faulty weights are decoded and answer in float32; faulty activations are those of
    the chip's arithmetic. The same arguments give the same study. InputError for what cannot be
    asked.
    """
    folder = find_model(model)
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(f"{chip.name}: stores no weights of its own; name an accelerator")
    if conditions.num_trials < 1 or conditions.seed < 0:
        raise InputError("trials must be 1 or more, the seed 0 or more")
    technology = load_technology()
    cells = _conditions(technology, conditions)
    subject = _subject(folder, tensor_class, chip, data_dir, sentences, exit_threshold, with_exit)
    draw = partial(subject.draw, seed=conditions.seed)
    ends = [
        cell_faults(technology, conditions.medium, bound=bound).cell_rate
        for bound in ("low", "high")
    ]  # fmt: skip
    return FaultStudy(
        model=folder.name, chip=chip.name, medium=conditions.medium, tensor_class=tensor_class,
        text=subject.text, num_sentences=subject.num_sentences, seed=conditions.seed,
        exit_threshold_nats=subject.threshold, num_tensors=subject.num_tensors,
        data_bits=subject.data_bits, mask_bits=subject.mask_bits,
        cell_rate_low=ends[0], cell_rate_high=ends[1],
        fault_free=subject.fault_free, points=_play(cells, draw, conditions.num_trials),
        sources=_sources(technology, conditions), assumed=subject.assumed,
        not_modelled=NOT_MODELLED,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Subject:
    """What rests in the faulty medium, and how a model answers with one draw of faults in it."""

    text: str
    num_sentences: int
    threshold: float | None
    num_tensors: int
    data_bits: int
    mask_bits: int
    fault_free: FaultTrial
    draw: Callable[..., FaultTrial]
    """Of cells of the codes and of the mask, `seed` and `trial`."""
    assumed: tuple[str, ...]


def _subject(
    folder: ModelFolder, tensor_class: str, chip: AcceleratorSpec, data_dir: Path | None,
    sentences: Path | None, exit_threshold: float | None, with_exit: bool,
) -> _Subject:  # fmt: skip
    """The tensors of a class and the sentences; InputError for what cannot be asked."""
    if tensor_class not in TENSOR_CLASSES:
        raise InputError(f"tensor class {tensor_class!r}; allowed: {', '.join(TENSOR_CLASSES)}")
    source, path = _text(folder, data_dir, sentences)
    threshold = _threshold(folder, exit_threshold) if with_exit else None
    if tensor_class == ACTIVATION:
        active = activation_runs(folder, chip, path, threshold)
        free, count = active.without_faults()
        return _Subject(
            source, len(active.tokens), threshold, count["tensors"], count["data_bits"],
            count["mask_bits"], free, active.draw, (*ASSUMED, *ACTIVATION_ASSUMED),
        )  # fmt: skip
    layouts = stored_layouts(folder.trace(), chip, tensor_class)
    runs = _runs(folder, path, source)
    stored = _stored(folder.trace(), runs.weights(), layouts)

    def draw(data: CellFaults, mask: CellFaults, *, seed: int, trial: int) -> FaultTrial:
        return _answers(runs, tuple(_damages(stored, data, mask, seed, trial)), threshold)

    return _Subject(
        source, len(runs.tokens), threshold, len(stored), sum(t.data_bits for t in stored),
        sum(t.mask_bits for t in stored), _answers(runs, (), threshold), draw, ASSUMED,
    )  # fmt: skip


def _play(
    cells: Sequence[tuple[dict[str, Any], CellFaults, CellFaults]],
    draw: Callable[..., FaultTrial], num_trials: int,
) -> tuple[FaultPoint, ...]:  # fmt: skip
    """All trials of all conditions."""
    points = []
    total = len(cells) * num_trials
    with tqdm(total=total, desc="faults", unit="trial", disable=None) as bar:
        for point, data, mask in cells:
            trials = []
            for trial in range(num_trials):
                trials.append(draw(data, mask, trial=trial))
                bar.update()
            points.append(FaultPoint(**point, trials=tuple(trials)))
    return tuple(points)


def _conditions(
    technology: Technology, asked: FaultConditions
) -> list[tuple[dict[str, Any], CellFaults, CellFaults]]:
    """Fields of a FaultPoint, cells of the codes and cells of the mask, for every condition."""
    media = asked.mask_media or tuple(dict.fromkeys((MASK_MEDIUM, asked.medium)))
    found = []
    for coding in asked.codings:
        for rate in (None, *asked.rates):
            own = cell_faults(technology, asked.medium, coding)
            data = own if rate is None else widened_to(own, rate)
            for medium in media:
                mask = data if medium == asked.medium else cell_faults(technology, medium, coding)
                if asked.mask_rate is not None:
                    mask = widened_to(mask, asked.mask_rate)
                point = {
                    "mask_medium": medium, "coding": coding, "widened_to": rate,
                    "data_cell_rate": data.cell_rate, "data_bit_rate": data.bit_rate,
                    "mask_cell_rate": mask.cell_rate,
                }  # fmt: skip
                found.append((point, data, mask))
    return found


def _text(folder: ModelFolder, data_dir: Path | None, sentences: Path | None) -> tuple[str, Path]:
    """Name and file of the labelled text."""
    if data_dir is not None and sentences is not None:
        raise InputError("name a data folder or a file of sentences, not both")
    if sentences is not None:
        return sentences.name, sentences
    if data_dir is not None:
        from edgesim.compress.recipe import load_recipe

        task = load_recipe(folder.path / "recipe.yaml").task.name
        return f"{task} dev", data_dir / task / "dev.tsv"
    path = folder.path / DEMO_SENTENCES
    if not path.is_file():
        raise InputError(f"{folder.path}: no {DEMO_SENTENCES}; name labelled text to run on")
    return "demo sentences", path


def _threshold(folder: ModelFolder, given: float | None) -> float | None:
    if given is not None:
        EntropyExit(given)  # refuses what is no threshold
        return given
    return folder.thresholds().get(ALLOWED_LOSS_POINTS)


def _runs(folder: ModelFolder, path: Path, source: str) -> SentenceRuns:
    from edgesim.compress.altered_weights import zoo_runs
    from edgesim.compress.text import read_tsv

    return zoo_runs(folder.path, read_tsv(path), source)


def _stored(
    trace: OpTrace, weights: dict[str, NDArray[np.float32]], layouts: Sequence[Any]
) -> tuple[StoredTensor, ...]:
    found = []
    for layout in layouts:
        name = trace.tensors[layout.name].number_format
        if name is None:
            raise InputError(f"{layout.name}: the trace names no number format for it")
        found.append(store(layout, weights[layout.name], parse_format(name)))
    return tuple(found)


def _damages(
    stored: Sequence[StoredTensor], data: CellFaults, mask: CellFaults, seed: int, trial: int
) -> Iterator[tuple[str, Damage]]:
    """Faults of one trial: streams by seed, trial, tensor, and codes or mask."""
    for number, tensor in enumerate(stored):
        streams = [
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(trial, number, part)))
            for part in (0, 1)
        ]
        yield tensor.name, damage(tensor, data, mask, *streams)


def _answers(
    runs: SentenceRuns, damages: Sequence[tuple[str, Damage]], threshold: float | None
) -> FaultTrial:
    from edgesim.compress.evaluate import correct_answers, entropy_nats

    changes = {name: (found.elements, found.values) for name, found in damages}
    logits = runs.altered_logits(changes)
    right = correct_answers(logits, runs.labels)
    left, layer = None, None
    if threshold is not None:
        layers = EntropyExit(threshold).exit_layers(entropy_nats(logits))
        left = int(right[np.arange(len(right)), layers - 1].sum())
        layer = float(layers.mean())
    return FaultTrial(
        data_faults=sum(found.data_faults for _, found in damages),
        mask_faults=sum(found.mask_faults for _, found in damages),
        changed_weights=sum(len(found.elements) for _, found in damages),
        correct=int(right[:, -1].sum()), correct_with_exit=left, average_exit_layer=layer,
    )  # fmt: skip


def _sources(technology: Technology, asked: FaultConditions) -> tuple[str, ...]:
    media = dict.fromkeys((asked.medium, *(asked.mask_media or (MASK_MEDIUM,))))
    names = [f"{medium}.level_0_sigma_fraction" for medium in media]
    entries = [technology.entry(name) for name in names]
    return tuple(dict.fromkeys(f"levels of cells ({e.kind}): {e.source}" for e in entries))


def write_fault_study(study: FaultStudy, folder: Path) -> None:
    """faults.json (everything), faults.csv (a row per trial) and accuracy_by_fault_rate.png."""
    from edgesim.plot.faults import HEIGHT_INCHES, plot_fault_accuracy
    from edgesim.plot.pictures import save_picture

    folder.mkdir(exist_ok=True)
    write_json(folder / "faults.json", study.to_json())
    write_text(folder / "faults.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    save_picture(
        folder / "accuracy_by_fault_rate.png", HEIGHT_INCHES,
        lambda ax: plot_fault_accuracy(study, ax),
    )  # fmt: skip
