"""What a chip's arithmetic does to a model: op by op, and what each released defect costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgesim.errors import InputError
from edgesim.functional.chip.arithmetic import ChipArithmetic, chip_arithmetic
from edgesim.functional.chip.profile import DEFECTS, Profile, profile_of
from edgesim.functional.chip.remarks import remarks
from edgesim.functional.departures import departures
from edgesim.functional.execution import Arithmetic, execute_all
from edgesim.functional.float32 import float32_arithmetic
from edgesim.functional.released import released_arithmetic
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.activation_statistics import ActivationStatistics
from edgesim.ir.numerics_study import DepartureRow, NumericsStudy, VariantRow
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RELEASED, SOUND
from edgesim.ir.workload import Workload
from edgesim.pipeline.models import ModelFolder, open_model
from edgesim.statistics import wilson_proportion

DEMO_SENTENCES = "demo_sentences.tsv"

NARROW_BITS = 30
"""Accumulators of the published processing element."""
INT8 = ("INT8, 24-bit sums", "int8", 24)


def numerics_study(
    trace: OpTrace, chip: Chip, workload: Workload, threshold: float | None, sentences: str
) -> NumericsStudy:
    """Departures of the sound arithmetic, and the accuracy of every variant of it.

    The workload holds labels and token ids in their order, the trace values and ranges. InputError
    where one of them is missing.
    """
    accelerator = _accelerator(chip)
    if workload.labels is None or workload.token_ids is None or not workload.in_order:
        raise InputError(
            f"{sentences}: sentences with labels are needed, in a TSV with the header "
            "sentence<TAB>label"
        )
    if threshold is not None and not trace.has_exits:
        raise InputError(f"{trace.name!r} has no off-ramps; leave the exit threshold out")
    profile = profile_of(accelerator)
    sound = chip_arithmetic(trace, profile)
    rows = departures(trace, workload.token_ids, sound)
    sound.counts.clear()
    variants, left_out = [], []
    for name, arithmetic in _arithmetics(trace, profile, sound):
        try:
            variants.append(_variant(trace, workload, name, arithmetic, threshold))
        except InputError as error:
            if name != RELEASED:
                raise
            left_out.append(f"{RELEASED} is left out: {error}")
    return NumericsStudy(
        model=trace.name, chip=chip.name, sentences=sentences, num_sentences=len(workload),
        exit_threshold=threshold, calibration=trace.calibration or "",
        departures=tuple(
            DepartureRow(row.layer, row.name, row.kind, row.relative, row.largest_error)
            for row in rows
        ),
        variants=tuple(variants), remarks=(*remarks(sound), *left_out),
    )  # fmt: skip


def _accelerator(chip: Chip) -> AcceleratorSpec:
    """The chip; InputError for one without an arithmetic of its own."""
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(f"chip {chip.name}: only an accelerator has an arithmetic of its own")
    return chip


def study_model(
    model: str, chip: Chip, *, sentences: Path | None = None, threshold: float | None = None,
    calibration: Path | None = None,
) -> NumericsStudy:  # fmt: skip
    """`numerics_study` of a model, over a TSV or the sentences that a zoo model ships."""
    _accelerator(chip)
    source = open_model(model)
    path = sentences or source.path / DEMO_SENTENCES
    if not path.is_file():
        raise InputError(f"{path}: no such file; name --sentences FILE.tsv")
    trace = source.executable()
    if calibration is not None:
        trace = ActivationStatistics.load(calibration).applied(trace)
    own = source.thresholds().get("1") if isinstance(source, ModelFolder) else None
    chosen = threshold if threshold is not None else own
    return numerics_study(trace, chip, source.record(path), chosen, path.name)


def _arithmetics(
    trace: OpTrace, profile: Profile, sound: ChipArithmetic
) -> Iterator[tuple[str, Arithmetic]]:
    """Every arithmetic of the table, made when it is run."""
    yield FLOAT32, float32_arithmetic(trace)
    yield f"{SOUND} ({profile.number_format}, {profile.accumulator_bits}-bit sums)", sound
    if profile.accumulator_bits != NARROW_BITS:
        narrow = replace(profile, accumulator_bits=NARROW_BITS)
        yield f"{SOUND}, {NARROW_BITS}-bit sums", chip_arithmetic(trace, narrow)
    for defect in DEFECTS:
        yield f"{SOUND}, {defect}", chip_arithmetic(trace, profile.with_defects([defect]))
    yield f"{SOUND}, all of these", chip_arithmetic(trace, profile.with_defects(DEFECTS))
    yield RELEASED, released_arithmetic(trace)
    name, number_format, bits = INT8
    control = replace(profile, number_format=number_format, accumulator_bits=bits)
    yield name, chip_arithmetic(trace, control)


def _variant(
    trace: OpTrace, workload: Workload, name: str, arithmetic: Arithmetic,
    threshold: float | None,
) -> VariantRow:  # fmt: skip
    assert workload.token_ids is not None
    assert workload.labels is not None
    answers = execute_all(trace, workload.token_ids, arithmetic, label=name)
    right = answers.logits.argmax(axis=-1) == workload.labels[:, None]
    full = wilson_proportion(int(right[:, -1].sum()), len(workload))
    exit_accuracy = average = None
    if threshold is not None and answers.entropies is not None:
        leaves = arithmetic.leaves(answers.entropies, threshold)
        leaves[:, -1] = True
        layers = leaves.argmax(axis=1)
        exit_accuracy = float(right[range(len(layers)), layers].mean())
        average = float(layers.mean()) + 1
    events: Counter[str] = Counter()
    for (event, _), count in getattr(arithmetic, "counts", Counter()).items():
        events[event] += count
    return VariantRow(name, full.value, full.low, full.high, exit_accuracy, average, dict(events))
