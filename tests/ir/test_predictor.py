"""The exit predictor: fit, forecast, tables, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesim.errors import InputError
from edgesim.ir.exits import EntropyExit, FixedExit, ForecastExit, FullDepth
from edgesim.ir.predictor import ExitPredictor

ENTROPIES = Path(__file__).parents[3] / "shared" / "data" / "edgebert_entropy"
needs_entropies = pytest.mark.skipif(
    not ENTROPIES.is_dir(), reason="the EdgeBERT authors' entropies are not on this machine"
)


def table(*rows: list[float]) -> ExitPredictor:
    return ExitPredictor(np.arange(len(rows)) * 0.1, np.array(rows), "by hand")


def test_the_forecast_is_the_first_layer_of_the_nearest_row_below_the_threshold() -> None:
    predictor = table([0.3, 0.1, 0.0], [0.6, 0.5, 0.4], [0.65, 0.6, 0.55])
    seen = [0.01, 0.06, 0.14, 0.9]
    assert predictor.num_layers == 5
    assert predictor.forecast_layers(seen, 0.2).tolist() == [1, 1, 1, 5]
    assert predictor.forecast_layers(seen, 0.01).tolist() == [4, 5, 5, 5]
    assert predictor.forecast_layers(seen, 0.05).tolist() == [1, 5, 5, 5]


def test_a_fit_recovers_entropies_that_layer_one_determines() -> None:
    first = np.linspace(0.02, 0.68, 400)
    values = np.stack([first, first**2, first / 2, first * 0], axis=1)
    predictor = ExitPredictor.fit(values, "synthetic")
    forecast = predictor.forecast_entropies(first)
    assert np.abs(forecast - values[:, 1:3]).max() < 0.02


def test_a_fit_of_pure_noise_forecasts_its_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.6, (2000, 3))
    predictor = ExitPredictor.fit(values, "noise")
    assert np.abs(predictor.forecasts - 0.3).max() < 0.05


def test_a_sentence_still_unsure_at_its_forecast_layer_leaves_there() -> None:
    predictor = table([0.5, 0.1, 0.1])
    entropies = np.array([[0.6, 0.5, 0.45, 0.1, 0.0], [0.6, 0.1, 0.4, 0.4, 0.4],
                          [0.1, 0.9, 0.9, 0.9, 0.9]])  # fmt: skip
    policy = ForecastExit(0.2, predictor)
    found = policy.decide(entropies, 3, 5)
    assert found.planned_layers.tolist() == [3, 3, 1]
    assert found.exit_layers.tolist() == [3, 2, 1]
    assert found.unsure.tolist() == [True, False, False]
    unchecked = ForecastExit(0.2, predictor, check_on_the_way=False).decide(entropies, 3, 5)
    assert unchecked.exit_layers.tolist() == [3, 3, 1]
    assert unchecked.ramps == "ends"
    slack = ForecastExit(0.2, predictor, slack_layers=1).decide(entropies, 3, 5)
    assert slack.exit_layers.tolist() == [4, 2, 1]
    assert slack.planned_layers.tolist() == [4, 4, 1]
    far = ForecastExit(0.2, predictor, slack_layers=9).decide(entropies, 3, 5)
    assert far.planned_layers.tolist() == [5, 5, 1]


def test_policies_without_entropies_know_their_depth() -> None:
    assert FullDepth().decide(None, 2, 4).exit_layers.tolist() == [4, 4]
    assert FixedExit(3).decide(None, 2, 4).exit_layers.tolist() == [3, 3]
    with pytest.raises(InputError, match="the model has 4 layers"):
        FixedExit(5).decide(None, 2, 4)
    with pytest.raises(InputError, match="needs a workload with entropies"):
        EntropyExit(0.2).decide(None, 2, 4)


def test_a_table_of_another_depth_is_refused() -> None:
    with pytest.raises(InputError, match="of 5 layers, the model has 6"):
        ForecastExit(0.2, table([0.5, 0.1, 0.1])).exit_layers(np.ones((2, 6)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ": holds no rows"),
        ("0.1,a\n", ":1: no table of comma-separated numbers: got 'a'"),
        ("0.2,0.1\n0.1,0.1\n", ": predictor table: layer-1 entropies must rise"),
        ("0.1,-0.1\n", ": predictor table: forecast entropies must be at least 0"),
        ("0.1,0.1\r\n\r\n0.2,nan\r\n", ":3: .*got 'nan'"),
        ("0,1\n1,2,3\n", ":2: 3 numbers, the first row has 2"),
        ("0.1,²\n", ":1: .*got '²'"),
        ("0.1,٣\n", ":1: .*got '٣'"),
        ("0.1,1_0\n", ":1: .*got '1_0'"),
        ("0.1,0.1\u20280.2,0.1\n", r":1: .*got '0.1\\u20280.2'"),
        ("0.1,0.1\f0.2,0.1\n", r":1: .*got '0.1\\x0c0.2'"),
        ("0.1,0.1\r0.2,0.1\n", r":1: .*got '0.1\\r0.2'"),
        ("0.1,0.1\0\n", ":1: holds a NUL character"),
    ],
)
def test_a_damaged_table_is_one_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match=r"t\.csv" + words) as caught:
        ExitPredictor.from_csv(path)
    assert "\n" not in str(caught.value)


def test_a_table_saved_on_windows_is_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"0.1,0.3\n0.2,0.4\n")
    plain = ExitPredictor.from_csv(path)
    path.write_bytes("\ufeff0.1,0.3\r\n0.2,0.4\r\n".encode())
    assert np.array_equal(ExitPredictor.from_csv(path).forecasts, plain.forecasts)
    assert np.array_equal(plain.forecasts, [[0.3], [0.4]])


@needs_entropies
@pytest.mark.parametrize(
    ("threshold", "actual", "forecast"), [(0.16, 3.897, 4.912), (0.09, None, 7.686)]
)
def test_the_authors_table_gives_their_averages(
    threshold: float, actual: float | None, forecast: float
) -> None:
    entropies = np.loadtxt(ENTROPIES / "dataset_sst2_eval.txt", delimiter=",")
    policy = ForecastExit(
        threshold, ExitPredictor.from_csv(ENTROPIES / "sst2_lookup_table_opt.csv")
    )
    found = policy.decide(entropies, len(entropies), 12)
    assert found.planned_layers.mean() == pytest.approx(forecast, abs=5e-4)
    if actual is not None:
        assert found.exit_layers.mean() == pytest.approx(actual, abs=5e-4)


@needs_entropies
def test_entropy_exit_gives_the_authors_average() -> None:
    entropies = np.loadtxt(ENTROPIES / "dataset_sst2_eval.txt", delimiter=",")
    assert EntropyExit(0.28).exit_layers(entropies).mean() == pytest.approx(3.942, abs=5e-4)
