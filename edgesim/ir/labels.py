"""What a result is called beside others."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.ir.quantity import NOT_MEASURED, NOT_MODELLED
from edgesim.ir.result import SimResult


def exit_text(result: SimResult) -> str:
    """How sentences leave: "exit < 0.28", or "full depth" where the exit is off."""
    settings = result.settings
    threshold, strategy = settings.get("exit_threshold"), settings.get("strategy")
    if strategy == "fixed":
        return f"exit {settings.get('exit')}"
    if threshold is None:
        return "full depth"
    return f"exit < {threshold}" + (", forecast" if strategy == "latency-aware" else "")


def target_text(result: SimResult) -> str:
    """The latency target, such as "target 0.05 s"; empty without one."""
    seconds = result.settings.get("latency_target_s")
    fraction = result.settings.get("latency_target_fraction")
    if seconds is not None:
        return f"target {seconds:g} s"
    return "" if fraction is None else f"target {fraction:g} of full depth"


def common_name(results: Sequence[SimResult], labels: Sequence[str], owners: Sequence[str]) -> str:
    """Who `owners` (some of `labels`) are: a chip's name where all its results are among them."""
    names = []
    for result, label in zip(results, labels, strict=True):
        mine = {name for one, name in zip(results, labels, strict=True) if one.chip == result.chip}
        if label in owners:
            names.append(result.chip if mine <= set(owners) else label)
    return "; ".join(dict.fromkeys(names))


def absent_text(result: SimResult) -> str:
    """What stands for a figure that a result lacks: a machine that was timed measures the rest."""
    return NOT_MEASURED if result.chip_kind == "host-cpu" else NOT_MODELLED


def padding_text(result: SimResult) -> str:
    """Which sequence length was simulated: a sentence's own token count, or padded."""
    pad_to = result.settings.get("pad_to")
    return "S own" if pad_to is None else f"S padded to {pad_to}"


def setting_parts(result: SimResult) -> tuple[str, ...]:
    """Exit, target, precision, weights, padding and arithmetic in words; empty if not stated."""
    settings = result.settings
    stated = (str(settings.get(name) or "") for name in ("precision", "weights"))
    arithmetic = settings.get("arithmetic")
    in_words = f"activations {arithmetic}" if arithmetic else ""
    return (exit_text(result), target_text(result), *stated, padding_text(result), in_words)


def settings_text(result: SimResult) -> str:
    """All settings of one result, such as "exit < 0.28, fp16, S own"."""
    return ", ".join(part for part in setting_parts(result) if part)


def distinct_labels(results: Sequence[SimResult]) -> tuple[str, ...]:
    """One label per result: the chip and whatever differs among results; all labels differ."""
    rows = [(result.model, *setting_parts(result)) for result in results]
    differing = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    labels = []
    for result, row in zip(results, rows, strict=True):
        said = [part for part, differs in zip(row, differing, strict=True) if differs and part]
        labels.append(f"{result.chip} ({', '.join(said)})" if said else result.chip)
    return tuple(
        f"{label} (#{position})" if labels.count(label) > 1 else label
        for position, label in enumerate(labels, start=1)
    )
