"""What notebooks compute beyond a sweep."""

from __future__ import annotations

import pandas as pd
import pytest
from synthetic_results import accelerator_result

from edgesim.errors import InputError
from edgesim.sweeps.study import (
    break_even_factor,
    energy_delay_js,
    holds_over_ranges,
    steps,
    unit_energy_j,
)


def test_steps_are_ratios_to_the_row_before() -> None:
    frame = pd.DataFrame({"energy_j": [8.0, 4.0, 3.0]}, index=[2, 4, 8])
    table = steps(frame, ["energy_j"])
    assert table["energy_j"].to_dict() == {"2 → 4": 0.5, "4 → 8": 0.75}


def test_at_the_nominal_corner_the_product_is_that_of_the_result() -> None:
    result = accelerator_result()
    assert result.energy_delay_js is not None
    found = energy_delay_js(result, "pu", "value", "value")
    assert found == pytest.approx(result.energy_delay_js.value)
    assert energy_delay_js(result, "pu", "low", "value") < found


def test_a_result_beats_itself_by_nothing_only_where_both_stand_at_one_end() -> None:
    table = holds_over_ranges(accelerator_result(), accelerator_result(), "pu")
    assert table.shape == (3, 9)
    assert table["low / low"].tolist() == pytest.approx([1, 1, 1])
    assert (table["low / high"] > 1).all()


def test_a_unit_scaled_by_its_break_even_factor_gives_the_wanted_energy() -> None:
    result = accelerator_result()
    assert result.energy_j is not None
    factor = break_even_factor(result, "pu", 2 * result.energy_j.value)
    own = unit_energy_j(result, "pu")
    assert result.energy_j.value + (factor - 1) * own == pytest.approx(2 * result.energy_j.value)
    with pytest.raises(InputError, match="no energy of unit 'npu'"):
        break_even_factor(result, "npu", 1.0)
