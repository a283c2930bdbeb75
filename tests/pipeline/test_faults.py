"""Fault studies of the shipped model on a few sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesim.errors import InputError
from edgesim.hw.loader import load_chip
from edgesim.ir.fault_study import FaultStudy
from edgesim.pipeline.faults import FaultConditions, fault_study, write_fault_study
from edgesim.plot.faults import fault_accuracy_data
from edgesim.report.faults import fault_text

MODEL = "minilm-sst2-ee"
SENTENCES = (
    ("a warm and funny film", 1), ("dull , long and lifeless", 0), ("a delight", 1),
    ("the worst film of the year", 0), ("a waste of time", 0), ("gripping from the start", 1),
)  # fmt: skip


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "six.tsv"
    rows = "\n".join(f"{text}\t{label}" for text, label in SENTENCES)
    path.write_text(f"sentence\tlabel\n{rows}\n", encoding="utf-8")
    return path


def study(sentences: Path, tensor_class: str = "offramp_weight", **asked: object) -> FaultStudy:
    conditions = FaultConditions(**({"num_trials": 3} | asked))  # type: ignore[arg-type]
    return fault_study(
        MODEL, tensor_class, conditions, load_chip("edgebert-n16"), sentences=sentences
    )


@pytest.fixture(scope="module")
def ramps(sentences: Path) -> FaultStudy:
    return study(sentences, rates=(1e-3, 0.2), codings=("binary", "gray"))


def test_conditions_are_coding_by_rate_by_mask_medium(ramps: FaultStudy) -> None:
    found = [(p.coding, p.widened_to, p.mask_medium) for p in ramps.points]
    assert found == [
        (coding, rate, medium)
        for coding in ("binary", "gray")
        for rate in (None, 1e-3, 0.2)
        for medium in ("reram_slc", "reram_mlc3")
    ]
    assert all(len(point.trials) == 3 for point in ramps.points)
    for point in ramps.points:
        in_slc = point.mask_medium == "reram_slc"
        assert point.mask_cell_rate == (0 if in_slc else point.data_cell_rate)


def test_a_mask_in_slc_keeps_the_same_faults_in_the_codes(ramps: FaultStudy) -> None:
    for safe, same in zip(ramps.points[::2], ramps.points[1::2], strict=True):
        assert [t.data_faults for t in safe.trials] == [t.data_faults for t in same.trials]
        assert all(t.mask_faults == 0 for t in safe.trials)
    assert any(t.mask_faults for t in ramps.points[5].trials)


def test_more_misread_cells_mean_more_changed_weights(ramps: FaultStudy) -> None:
    few, many = (sum(t.changed_weights for t in ramps.points[i].trials) for i in (3, 5))
    assert few < many
    assert ramps.fault_free.changed_weights == 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    sentences: Path, tmp_path: Path
) -> None:
    asked = {"num_trials": 2, "mask_media": ("reram_mlc3",), "rates": (0.1,)}
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_fault_study(study(sentences, seed=seed, **asked), tmp_path / name)  # type: ignore[arg-type]
    for file in ("faults.json", "faults.csv", "accuracy_by_fault_rate.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    first, other = ((tmp_path / n / "faults.csv").read_bytes() for n in ("a", "c"))
    assert first != other


def test_levels_that_never_cross_leave_the_answers_alone(sentences: Path) -> None:
    """SLC; the mask is one bit an element, codes fill whole rows of 16 bytes."""
    found = study(sentences, "embedding_weight", medium="reram_slc", num_trials=1)
    trial = found.points[0].trials[0]
    assert (trial.data_faults, trial.correct) == (0, found.fault_free.correct)
    assert len(found.points) == 1
    assert (found.num_tensors, found.mask_bits) == (3, (30522 + 512 + 2) * 384)
    assert found.data_bits % (16 * 8) == 0
    assert 0.4 * 8 < found.data_bits / found.mask_bits < 0.45 * 8


def test_data_and_text_hold_mean_and_range(ramps: FaultStudy) -> None:
    data = fault_accuracy_data(ramps)
    assert len(data) == len(ramps.points)
    assert (data.accuracy_min <= data.accuracy_mean).all()
    assert (data.accuracy_mean <= data.accuracy_max).all()
    frame = ramps.to_frame()
    assert len(frame) == 3 * len(ramps.points)
    assert set(frame.trial) == {0, 1, 2}
    text = fault_text(ramps)
    assert "with exits below" in text
    assert "error correction" in text
    content = json.loads(json.dumps(ramps.to_json()))
    assert content["points"][0]["accuracy_mean"] == ramps.accuracies(ramps.points[0])[0]


def test_faults_in_activations_are_those_of_the_chip_s_arithmetic(sentences: Path) -> None:
    found = study(sentences, "activation", num_trials=2, rates=(1e-6, 0.1), medium="reram_mlc2")
    mild, harsh = found.points[2], found.points[4]
    assert found.fault_free.correct == 6
    assert (mild.widened_to, harsh.widened_to) == (1e-6, 0.1)
    assert found.accuracies(mild)[0] > found.accuracies(harsh)[0]
    changed = [trial.changed_weights for trial in harsh.trials]
    assert min(changed) > 10 * max(trial.changed_weights for trial in mild.trials)
    assert found.mask_bits > found.data_bits / 8 > 0
    assert "chip's own arithmetic" in fault_text(found)


def test_what_cannot_be_asked_is_refused(sentences: Path, tmp_path: Path) -> None:
    unlabelled = tmp_path / "u.tsv"
    unlabelled.write_text("sentence\nfine\n", encoding="utf-8")
    for asked, words in (
        ({"medium": "lpddr4"}, "no fault figures"),
        ({"num_trials": 0}, "1 or more"),
        ({"codings": ("grey",)}, "allowed: binary, gray"),
        ({"rates": (0.9,)}, "cell fault rate"),
        ({"mask_media": ("sram",)}, "no fault figures"),
    ):
        with pytest.raises(InputError, match=words):
            study(sentences, **asked)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no column 'label'"):
        study(unlabelled)
    with pytest.raises(InputError, match="offramp_weight, activation"):
        study(sentences, "activations")
    with pytest.raises(InputError, match="name an accelerator"):
        fault_study(MODEL, "offramp_weight", FaultConditions(), load_chip("tx2-maxn"))
