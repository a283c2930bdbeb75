"""Chip files: what ships loads; what is wrong is reported at once, in place, with what is allowed.

Named `edgebert-n16` for the tests of overrides; the tests of files write their own.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from edgesim.errors import ChipError, EdgesimError, InputError
from edgesim.hw.loader import ChipTemplate, chip_names, load_chip
from edgesim.hw.spec import AcceleratorSpec, chip_content

BASE = "edgebert-n16"


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def faults(source: Path | str, overrides: dict[str, object] | None = None) -> list[str]:
    with pytest.raises(ChipError) as caught:
        load_chip(source, overrides)
    return str(caught.value).splitlines()


def only(lines: list[str], *parts: str) -> str:
    """The one line that holds all parts."""
    found = [line for line in lines if all(part in line for part in parts)]
    assert len(found) == 1, (parts, lines)
    return found[0]


@pytest.mark.parametrize("name", chip_names())
def test_every_shipped_chip_loads_and_carries_its_file_name(name: str) -> None:
    assert load_chip(name).name == name


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32])
def test_the_papers_block_diagram_ships_for_every_vector_size(n: int) -> None:
    """Issue: 2 × (128 KiB + 16 KiB), 32 KiB auxiliary, 2 MiB ReRAM, a 64-bit LPDDR4 port."""
    chip = load_chip(f"edgebert-n{n}")
    assert isinstance(chip, AcceleratorSpec)
    assert chip.pu.vector_size == n
    for memory in (chip.buffers.operand0, chip.buffers.operand1):
        assert (memory.data_bytes, memory.mask_bytes) == (128 * 1024, 16 * 1024)
    assert chip.buffers.auxiliary_bytes == 32 * 1024
    assert chip.storage["reram"].capacity_bytes == 2 * 1024**2
    assert chip.storage["lpddr4"].port_bits == 64


def test_an_unknown_chip_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'edgebert-n16'"):
        load_chip("edgebert-n61")
    with pytest.raises(ChipError, match="no such chip file"):
        load_chip("missing.yaml")


def test_all_faults_of_a_file_come_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path, "bad",
        f"extends: {BASE}",
        "name: bad",
        "clok: {frequency: 1 GHz}",
        "clock:",
        "  frequency: 3 THz",
        "pu:",
        "  vector_size: 64",
        "  vectorsize: 12",
        "buffers:",
        "  operand0: {data: 1e30 B}",
        "  operand1:",
        "    data: 4 KiB",
        "  auxiliary: 32 KB",
        "placement:",
        "  encoder_weight: [flash]",
        "  activation: [sram, reram_mlc2]",
    )  # fmt: skip
    lines = faults(path)
    assert only(lines, ":3: clok: unknown key").count("did you mean 'clock'")
    only(lines, ":5: clock.frequency", "3 THz", "Hz, kHz, MHz, GHz")
    only(lines, ":8: pu.vectorsize: unknown key", "did you mean 'vector_size'")
    only(lines, ":10: buffers.operand0.data: got '1e30 B'", "less than or equal to 1099511627776")
    only(lines, ":12: buffers.operand1.data", "64 × 64", "at least 8192 B")
    only(lines, ":13: buffers.auxiliary: got '32 KB'", "KiB (1024) or kB (1000)")
    only(lines, ":15: placement.encoder_weight: got 'flash'", "reram_slc", "lpddr4")
    only(
        lines, ":16: placement.activation", "reram_mlc2", "read-only on this chip", "writable: true"
    )
    assert len(lines) == 8
    assert all(str(path) in line for line in lines)


def test_a_fault_is_placed_in_the_file_that_wrote_the_value(tmp_path: Path) -> None:
    write(tmp_path, "base", f"extends: {BASE}", "pu:", "  drain_vectors_per_cycle: 99")
    child = write(tmp_path, "child", "extends: base", "name: child", "sfu: {overlap: some}")
    lines = faults(child)
    only(lines, f"{tmp_path / 'base'}.yaml:3: pu.drain_vectors_per_cycle: got 99")
    only(lines, f"{child}:3: sfu.overlap: got 'some'", "'none' or 'per_head'")


@pytest.mark.parametrize(
    ("dotted", "value", "part"),
    [
        ("pu.vector_size", 12, "2, 4, 8, 16, 32 or 64"),
        ("pu.vector_size", True, "2, 4, 8, 16, 32 or 64"),
        ("buffers.operand0.data", "-1 KiB", "greater than 0"),
        ("buffers.operand0.data", "1e400 B", "beyond every number"),
        ("buffers.operand0.mask", "1 B", "at least 64 B"),
        ("storage.lpddr4.port", "64.5 bit", "no whole number"),
        ("clock.voltage", "8 V", "less than or equal to 2"),
        ("host.cycles_per_element", float("nan"), "less than or equal to 10000"),
        ("placement.activation", ["lpddr4"], "must be sram"),
        ("placement.activation", ["sram", "sram"], "storage.sram"),
        ("placement.embedding_weight", ["reram_slc", "reram_mlc2"], "named once"),
        ("placement.encoder_weight", ["sram"], "needs storage.sram"),
        ("placement.encoder_weight", [], "at least 1 item"),
    ],
)
def test_impossible_values_name_the_override_and_what_is_allowed(
    dotted: str, value: object, part: str
) -> None:
    only(faults(BASE, {dotted: value}), f"override {dotted}", part)


def test_a_missing_section_is_named() -> None:
    chip = {"storage.sram.capacity": "4 MiB"}
    only(faults(BASE, chip), "storage.sram.port", "is missing")


def test_overrides_take_spec_names_and_file_keys_alike() -> None:
    by_key = load_chip(BASE, {"clock.frequency": "500 MHz", "buffers.operand0.data": "64 KiB"})
    by_name = load_chip(
        BASE, {"clock.frequency_hz": "500 MHz", "buffers.operand0.data_bytes": "64 KiB"}
    )
    assert chip_content(by_key) == chip_content(by_name)
    assert isinstance(by_key, AcceleratorSpec)
    assert by_key.clock.frequency_hz == 5e8


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("buffers.auxiliary_bytes", 1, "override buffers.auxiliary_bytes: got 1; write a number"),
        ("placement.activation", ["sram", 3], "override placement.activation.1: got 3;"),
        ("sfu.programs.add.passes", [["x"]], "override sfu.programs.add.passes.0.0: got 'x';"),
        ("placement.activation", "sram", "override placement.activation: got 'sram'; a list"),
        ("buffers.operand0.data_bytes", "32 B", "override buffers.operand0.data_bytes: 32 B hold"),
    ],
)
def test_a_faulty_override_is_one_line_that_names_its_path_once(
    path: str, value: object, line: str
) -> None:
    (found,) = faults(BASE, {path: value})
    assert found.startswith(line)


def test_overrides_add_a_storage_that_the_file_lacks() -> None:
    chip = load_chip(
        BASE,
        {"storage.sram.capacity": "4 MiB", "storage.sram.port": "128 bit",
         "storage.sram.on_chip": True, "placement.encoder_weight": ("sram",)},
    )  # fmt: skip
    assert isinstance(chip, AcceleratorSpec)
    assert chip.storage["sram"].port_bits == 128


def test_all_misspelt_overrides_come_at_once_with_the_nearest_key() -> None:
    lines = faults(BASE, {"pu.vector_siz": 8, "puu.vector_size": 8, "pu.vector_size.x": 1})
    only(lines, "override pu.vector_siz:", "did you mean 'vector_size'")
    only(lines, "override puu.vector_size:", "did you mean 'pu'")
    only(lines, "override pu.vector_size.x", "holds a value, no section")


def test_overrides_leave_the_shipped_chip_as_it_was() -> None:
    before = chip_content(load_chip(BASE))
    load_chip(BASE, {"pu.vector_size": 8, "storage.reram.capacity": "8 MiB"})
    assert chip_content(load_chip(BASE)) == before


def test_chips_that_share_sections_are_those_that_are_loaded_alone() -> None:
    template = ChipTemplate(BASE)
    sizes, media = (4, 8, 16), (["reram_slc", "lpddr4"], ["lpddr4"])
    for _ in range(2):
        for size, medium, area in itertools.product(sizes, media, ("32 KiB", "64 KiB")):
            overrides = {
                "pu.vector_size": size, "placement.embedding_weight": medium,
                "buffers.auxiliary": area,
            }  # fmt: skip
            assert template.chip(overrides) == load_chip(BASE, overrides)
    assert template.chip({"pu.vector_size": 8}).pu is template.chip({"pu.vector_size": 8}).pu


def test_faults_between_shared_sections_are_found() -> None:
    template = ChipTemplate(BASE)
    small = {"buffers.operand0.data": "2 KiB"}
    template.chip({**small, "pu.vector_size": 16})
    template.chip({"pu.vector_size": 64})
    with pytest.raises(ChipError, match="2048 B hold no two 64 × 64 tiles"):
        template.chip({**small, "pu.vector_size": 64})


def test_sizes_that_follow_from_an_artifact_are_not_shared() -> None:
    template = ChipTemplate("edgebert-hls")
    for size in (8, 16, 8):
        overrides = {"pu.vector_size": size}
        assert template.chip(overrides) == load_chip("edgebert-hls", overrides)


def test_a_cycle_of_extends_is_shown_and_ends(tmp_path: Path) -> None:
    write(tmp_path, "a", "extends: b")
    write(tmp_path, "b", "extends: c")
    (tmp_path / "sub").mkdir()
    write(tmp_path, "c", "extends: sub/../a")
    (line,) = faults(tmp_path / "a.yaml")
    assert "c.yaml:1: extends: a → b → c → a is a cycle" in line
    (line,) = faults(write(tmp_path, "self", "extends: self"))
    assert "is this file itself" in line
    (line,) = faults(write(tmp_path, "lost", "extends: edgebert-n15"))
    assert "lost.yaml:1: extends" in line
    assert "did you mean 'edgebert-n1" in line


def test_a_file_may_take_the_name_of_the_shipped_chip_that_it_extends(tmp_path: Path) -> None:
    path = write(tmp_path, BASE, f"extends: {BASE}", "pu: {vector_size: 8}")
    chip = load_chip(path)
    assert isinstance(chip, AcceleratorSpec)
    assert chip.pu.vector_size == 8


def test_every_duplicated_key_is_reported_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path, "twice", f"extends: {BASE}", "name: a", "pu:", "  vector_size: 8",
        "  vector_size: 16", "name: b",
    )  # fmt: skip
    lines = faults(path)
    only(lines, f"{path}:5: pu.vector_size is given twice")
    only(lines, f"{path}:6: name is given twice")


@pytest.mark.parametrize(
    "text",
    ["", "- a list", "name: [", "name: !!python/object:os.system x", "name: 2020-13-45",
     "a: &a [*a]", "kind: toaster", "\x00"],
)  # fmt: skip
def test_files_that_are_no_chip_give_an_error_of_one_kind(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EdgesimError, match=r"odd\.yaml"):
        load_chip(path)


def test_bytes_that_are_no_text_give_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ChipError, match=":1: not UTF-8 text"):
        load_chip(path)


def test_a_schedule_without_overlap_cannot_keep_two_tile_buffers() -> None:
    only(faults(BASE, {"pu.schedule": "artifact"}), "pu.operand_tile_buffers: got 2", "must be 1")
    load_chip(BASE, {"pu.schedule": "artifact", "pu.operand_tile_buffers": 1})


def test_a_storage_that_no_medium_rests_in_is_refused_with_those_that_are_known(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.yaml"
    part = "{capacity: 2 MiB, port: 64 bit, on_chip: true}"
    path.write_text(f"extends: edgebert-n16\nname: x\nstorage:\n  flash: {part}\n")
    with pytest.raises(ChipError, match=r"x\.yaml:4: storage\.flash: got 'flash'; allowed: reram"):
        load_chip(path)
    with pytest.raises(ChipError, match=r"no 'flash' in storage; .*allowed: fefet, .*, stt_mram"):
        load_chip("edgebert-n16", {"storage.flash.capacity": "1 MiB"})


def test_a_released_chip_with_an_unknown_second_medium_is_refused_by_name() -> None:
    with pytest.raises(ChipError, match=r"placement\.activation: got 'flash'; allowed: "):
        load_chip("edgebert-hls", {"placement.activation": ["sram", "flash"]})
