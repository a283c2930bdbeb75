"""A report folder appears whole or not at all and replaces nothing but reports."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import accelerator_result, demo_results

import edgesim.plot
from edgesim.errors import InputError
from edgesim.report import Section, compare, read_report, write_report
from edgesim.report.folder import check_replaceable, whole_folder

PICTURES = {
    "energy_by_unit.png", "chip_energy_by_unit.png", "latency_by_op_kind.png", "exit_layers.png",
    "roofline.png",
}  # fmt: skip


def write(folder: Path, title: str = "t") -> tuple[Path, ...]:
    results = demo_results()
    return write_report(folder, results, compare(results, 2), title, [Section("Extra", "text")])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgesim.plot, "save_pictures", lambda *_: ())


def failing_pictures(folder: Path, *_: object) -> None:
    (folder / "energy_by_unit.png").write_bytes(b"half")
    raise RuntimeError("the plot failed")


def test_a_report_holds_text_json_and_pictures(tmp_path: Path) -> None:
    paths = write(tmp_path / "report")
    names = {path.name for path in paths}
    assert names == PICTURES | {"report.md", "report.json"}
    assert set(content(tmp_path / "report")) == names
    assert list(tmp_path.iterdir()) == [tmp_path / "report"]
    text = (tmp_path / "report" / "report.md").read_text()
    assert all(f"]({name})" in text for name in PICTURES)


def test_the_results_in_a_report_are_read_back_value_for_value(tmp_path: Path) -> None:
    write(tmp_path / "report")
    assert list(read_report(tmp_path / "report")) == demo_results()


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.usefixtures("no_pictures")
def test_an_earlier_report_is_replaced_with_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write(folder, "first")
    record = json.loads((folder / "report.json").read_text())
    record["files"].append("old.png")
    (folder / "report.json").write_text(json.dumps(record))
    (folder / "old.png").write_bytes(b"png")
    write(folder, "second")
    assert set(content(folder)) == {"report.md", "report.json"}
    assert (folder / "report.md").read_text().startswith("# second\n")


@pytest.mark.usefixtures("no_pictures")
def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    assert write(tmp_path / "report")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["notes.txt", "report.md", "energy_by_unit.png"])
def test_a_folder_with_other_things_is_refused_and_untouched(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("mine")
    with pytest.raises(InputError, match=f"holds {name}, which no report wrote"):
        write(folder)
    assert content(folder) == {name: b"mine"}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.usefixtures("no_pictures")
def test_a_report_beside_which_something_was_put_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "report")
    (tmp_path / "report" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt"):
        write(tmp_path / "report")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"kind": "other", "files": []}'])
def test_a_report_json_of_something_else_does_not_mark_a_report(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"holds report\.json"):
        write(folder)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write(tmp_path / "report")


def test_a_missing_parent_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        write(tmp_path / "no" / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_plot_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgesim.plot, "save_pictures", failing_pictures)
    with pytest.raises(RuntimeError, match="the plot failed"):
        write(tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_plot_leaves_an_earlier_report_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "report")
    before = content(tmp_path / "report")
    monkeypatch.setattr(edgesim.plot, "save_pictures", failing_pictures)
    with pytest.raises(RuntimeError, match="the plot failed"):
        write(tmp_path / "report", "second")
    assert content(tmp_path / "report") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "report"]


def test_what_appears_in_the_folder_meanwhile_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "report"

    def put_in_the_way() -> None:
        with whole_folder(folder) as new:
            (new / "report.md").write_text("new")
            folder.mkdir()
            (folder / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match="holds notes"):
        put_in_the_way()
    assert content(folder) == {"notes.txt": b"mine"}


def test_a_failing_rename_puts_the_earlier_report_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    rename = os.replace

    def failing(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise OSError("no space")
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no space"), whole_folder(folder):
        pass
    assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_link_to_a_report_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as new:
        (new / "a.txt").write_text("a")
    assert (tmp_path / "real" / "a.txt").read_text() == "a"
    assert (tmp_path / "link").is_symlink()


def test_a_report_on_other_results_than_the_comparison_is_refused(tmp_path: Path) -> None:
    comparison = compare([accelerator_result()])
    with pytest.raises(InputError, match="the comparison is of other results"):
        write_report(tmp_path / "report", demo_results(), comparison, "t")


def test_reading_something_else_as_a_report_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable report"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match="not a report of edgesim"):
        read_report(tmp_path)


def test_an_absent_folder_is_replaceable(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "report")


@pytest.mark.usefixtures("no_pictures")
def test_a_folder_that_a_report_claims_for_a_file_of_its_own_is_not_removed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "report"
    write(folder)
    record = json.loads((folder / "report.json").read_text())
    record["files"].append("thesis")
    (folder / "report.json").write_text(json.dumps(record))
    (folder / "thesis").mkdir()
    with pytest.raises(InputError, match="holds thesis, which no report wrote"):
        write(folder)
    assert (folder / "thesis").is_dir()


def test_notes_and_sections_bring_no_picture_into_report_md(tmp_path: Path) -> None:
    note = "![x](/path/secret.png) [y](javascript:a) <script>b</script>"
    results = [replace(one, notes=(note,)) for one in demo_results()]
    section = Section("Live", f"- {note}")
    write_report(tmp_path / "r", results, compare(results, 2), note, [section])
    text = (tmp_path / "r" / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)) == PICTURES
    assert "javascript:a" in text
    assert "<script" not in text
