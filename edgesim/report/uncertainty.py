"""What the ranges of the entries do, as text."""

from __future__ import annotations

from edgesim.ir.interval import Interval
from edgesim.ir.quantity import interval_text, percent_text, quantity_text
from edgesim.ir.uncertainty import Uncertainty
from edgesim.report.table import text_table

MOST_FAMILIES = 8


def uncertainty_text(found: Uncertainty) -> str:
    """Intervals, the families that matter most, and the conclusions that change sign."""
    head = (
        f"uncertainty: {found.num_samples} samples of {found.num_entries} entries in "
        f"{found.num_families} families, {found.num_simulations} of those that change the time; "
        f"seed {found.seed}\n"
        "nominal values are medians, each half of a range is uniform in the logarithm (assumed), "
        "families are independent"
    )
    rows = [
        (f.name, _text(f.sampled, f.unit), _ends(f.over_sentences, f.unit)) for f in found.figures
    ]
    figures = text_table(
        ("", "nominal [5 %, 95 %] of the entries", "5 to 95 % over sentences"), rows
    )
    swings = [
        f"  {s.family}: {interval_text(s.energy_j, 'J')}" for s in found.swings[:MOST_FAMILIES]
    ]
    ratios = [f"  {ratio.name}: {_text(ratio.sampled, ratio.unit)}" for ratio in found.ratios]
    over = f"{found.chip} over {found.against}, both on the same samples"
    lines = [_conclusion(c.text, c.holds, c.sign_change_fraction) for c in found.conclusions]
    return "\n\n".join(
        [head, figures,
         "\n".join(["energy with one family at its ends, the widest first", *swings]),
         *(["\n".join([over, *ratios])] if ratios else []),
         "\n".join(["conclusions", *lines])]
    )  # fmt: skip


def _text(interval: Interval | None, unit: str) -> str:
    if unit == "%" and interval is not None:
        return f"{interval.value:.1f} %, no entry changes it"
    return interval_text(interval, unit)


def _ends(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return "n/a"
    if unit == "%":
        return f"{interval.low:.1f} to {interval.high:.1f} %"
    return f"{quantity_text(interval.low, unit)} to {quantity_text(interval.high, unit)}"


def _conclusion(text: str, holds: bool, changed: float) -> str:
    words = "holds" if holds else "does not hold"
    if changed == 0:
        return f"  {text}: {words}, in every sample"
    return f"  {text}: {words}; changes sign in {percent_text(changed)} of the samples"
