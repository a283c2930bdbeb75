"""Static power follows what the placement uses."""

from __future__ import annotations

import pytest
from toy_traces import toy_chip

from edgesim.energy.static import placed_media, static_powers
from edgesim.tech import load_technology

STORAGE = {"storage.sram": {"capacity": "1 MiB", "port": "64 bit", "on_chip": True}}


def test_an_sram_that_only_spilled_activations_rest_in_leaks() -> None:
    chip = toy_chip(overrides={**STORAGE, "placement.activation": ["sram", "sram"]})
    powers, notes = static_powers(chip, load_technology())
    leakage = load_technology().interval("sram.leakage_power_mw_per_kib")
    found = [power.power_mw for power in powers if power.unit == "sram"]
    assert [power.value for power in found] == [pytest.approx(1024 * leakage.value)]
    assert not [note for note in notes if note.startswith("sram ")]


def test_an_sram_that_holds_nothing_is_not_powered_and_said() -> None:
    chip = toy_chip(overrides=STORAGE)
    assert "sram" not in placed_media(chip)
    assert (
        "sram holds nothing under this placement and is not powered"
        in static_powers(chip, load_technology())[1]
    )
