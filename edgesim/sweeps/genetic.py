"""NSGA-II through Optuna's ask and tell, a generation at a time, the store in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgesim.sweeps.axis import Axis
from edgesim.sweeps.design import Choice, Design
from edgesim.sweeps.store import Outcome

WORST = 1e6
"""Excess that stands for a point that has no figures at all."""
FITS = "fits the chip"


def evolve(design: Design, evaluate: Callable[[Sequence[Choice]], list[Outcome]]) -> None:
    """Ask for generations of points until the search's number is reached (Deb et al., 2002).

    Constraints count by how far a point is beyond them; a point that does not fit the chip is
    beyond all others. Same seed, same outcomes: same points.
    """
    import optuna

    optuna.logging.disable_default_handler()
    search = design.search
    study = optuna.create_study(
        directions=["minimize"] * len(search.minimize) + ["maximize"] * len(search.maximize),
        sampler=optuna.samplers.NSGAIISampler(population_size=search.population, seed=search.seed),
    )
    left = search.points or 0
    while left > 0:
        trials = [study.ask() for _ in range(min(left, search.population))]
        left -= len(trials)
        wanted = [tuple(_suggest(trial, axis) for axis in design.axes) for trial in trials]
        for trial, outcome in zip(trials, evaluate(wanted), strict=True):
            _tell(study, trial, outcome, design)


def _tell(study: Any, trial: Any, outcome: Outcome, design: Design) -> None:
    search = design.search
    figures = outcome.figures
    values: list[Any] = [figures.get(name) for name in (*search.minimize, *search.maximize)]
    excesses = {c.text: c.excess(figures) for c in design.constraints}
    lost = outcome.status != "feasible" or any(value is None for value in values)
    if lost:
        excesses = dict.fromkeys(excesses, WORST)
        values = [WORST] * len(search.minimize) + [-WORST] * len(search.maximize)
    for text, excess in {FITS: WORST if lost else 0.0, **excesses}.items():
        trial.set_constraint(text, excess)
    study.tell(trial, values)


def _suggest(trial: Any, axis: Axis) -> Any:
    """A value of an axis; lists by their index, because their values may be no scalars."""
    if axis.range is None:
        return axis.values[trial.suggest_categorical(axis.name, list(range(len(axis.values))))]
    number = trial.suggest_float(axis.name, axis.range.low, axis.range.high, log=axis.range.log)
    return axis.range.value(number)
