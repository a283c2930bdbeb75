"""HTML pages hold all they need; their tables sort and their points answer in a real browser."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_results import accelerator_result

from edgesim.cli import main
from edgesim.plot.interactive import _bokeh, _table, front_columns, sentence_columns
from edgesim.report.page import html_page
from edgesim.report.run_page import run_page
from edgesim.sweeps.outcome import SweepResult
from edgesim.sweeps.page import default_objectives, sweep_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=8000", "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip
PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  const deep = (node, found = []) => {
    if (node.shadowRoot) deep(node.shadowRoot, found);
    for (const child of node.children || []) { found.push(child); deep(child, found); }
    return found;
  };
  const all = () => deep(document.body);
  const rows = () => all().filter(e => e.classList.contains("slick-row"));
  const first = at => rows().map(r => [parseFloat(r.style.top) ||
    parseFloat((/, ([0-9.]+)px/.exec(r.style.transform) || [0, 0])[1]), r])
    .sort((a, b) => a[0] - b[0])[0][1].children[at].textContent;
  const head = all().filter(e => e.classList.contains("slick-header-column"))[COLUMN];
  const before = first(COLUMN);
  head.click(); const up = first(COLUMN);
  head.click(); const down = first(COLUMN);
  const models = [...Bokeh.documents[0].all_models];
  document.title = "PROBE" + JSON.stringify({
    canvases: all().filter(e => e.tagName === "CANVAS").length, rows: rows().length, before, up,
    down, hover: models.filter(m => m.type === "HoverTool").length,
    pictures: [...document.images].filter(i => i.naturalWidth > 100).length,
  });
}, 3000));
</script></body>"""


def sweep_of(count: int = 30) -> SweepResult:
    """A toy sweep: energy falls as latency rises, every third point is dominated."""
    rng = np.random.default_rng(1)
    step = np.arange(count)
    frame = pd.DataFrame(
        {
            "label": [f"n={i}" for i in step], "status": "feasible", "reason": "",
            "pu.vector_size": step, "energy_j": 1e-4 * (1 + step), "accuracy": None,
            "latency_s": 1e-3 * (count - step) * np.where(step % 3, 1, 2 + rng.random(count)),
        }
    )  # fmt: skip
    frame.loc[0, ["status", "reason"]] = ["infeasible", "area_mm2 <= 2: is <b>3</b> & more"]
    return SweepResult(frame, ("pu.vector_size",))


@pytest.fixture(scope="module")
def sweep_html() -> str:
    return sweep_page(sweep_of(), ("energy_j", "latency_s"), (), "A <sweep>")


def test_a_page_asks_no_network_and_shows_text_as_text(sweep_html: str) -> None:
    outside = r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?:https?:)?//"""
    assert not re.findall(outside, sweep_html)
    assert "default-src 'none'" in sweep_html
    assert "connect-src" not in sweep_html
    assert "<title>A &lt;sweep&gt;</title>" in sweep_html
    assert "is &lt;b&gt;3&lt;/b&gt; &amp; more" in sweep_html
    assert 1.5e6 < len(sweep_html) < 3e6


def test_the_table_begins_with_the_front_and_ends_with_what_does_not_fit() -> None:
    result = sweep_of()
    front = result.pareto(["energy_j", "latency_s"])
    frame = result.frame.assign(on_front=False, knee=False)
    frame.loc[1:, "on_front"] = front.frame["on_front"].to_numpy()
    frame.loc[1:, "knee"] = front.frame["knee"].to_numpy()
    data, columns = front_columns(frame, front.objectives, result.axes)
    assert data["place"].iloc[0] == "knee"
    assert data["place"].iloc[-1] == "infeasible"
    assert [c.title for c in columns[2:4]] == [
        "Energy per sentence (mJ)",
        "Latency per sentence (ms)",
    ]
    assert data.loc[data["label"] == "n=4", "energy_j"].item() == pytest.approx(0.5)


def test_accuracy_is_an_objective_where_it_differs() -> None:
    result = sweep_of()
    assert default_objectives(result) == (("energy_j", "latency_s"), ())
    result.frame["accuracy"] = np.linspace(0.8, 0.9, 30)
    assert default_objectives(result) == (("energy_j", "latency_s"), ("accuracy",))


def test_a_page_of_results_has_every_sentence_and_every_honesty_section() -> None:
    result = accelerator_result()
    page = run_page([result], "One run")
    data, _ = sentence_columns(result)
    assert len(data) == result.num_sentences
    for heading in ("Assumed", "Fitted", "Not modelled", "Sources", "Sentences"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count('<img src="data:image/png;base64,') == 5


def test_a_page_without_plots_carries_no_scripts_of_bokeh() -> None:
    assert len(html_page("t", ["| a |\n| --- |\n| 1 |"])) < 5000


@pytest.mark.parametrize("kind", ["sweep", "run"])
def test_a_browser_without_network_draws_and_sorts(
    kind: str, sweep_html: str, tmp_path: Path
) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser to open the page in: none of {', '.join(BROWSERS)} is installed")
    run = run_page([accelerator_result(exit_threshold=0.2)], "One run")
    page = sweep_html if kind == "sweep" else run
    before, _, after = page.rpartition("</body>")
    probe = PROBE.replace("COLUMN", "2" if kind == "sweep" else "3")
    (tmp_path / "page.html").write_text(before + probe + after, encoding="utf-8")
    ended = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path}/page.html"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r"<title>PROBE(.*?)</title>", ended.stdout)
    assert found, ended.stderr[-2000:]
    seen = json.loads(found[1])
    assert seen["canvases"] >= 1
    assert seen["rows"] >= 3
    assert seen["hover"] == 1
    assert seen["pictures"] == (1 if kind == "sweep" else 5)
    assert float(seen["up"]) < float(seen["down"]), seen
    assert "Refused to" not in ended.stderr
    assert "Uncaught" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.json"], "no such file"),
        (["R", "-o", "r.pdf"], "an .html file"),
        (["R", "-o", "nowhere/r.html"], "folder nowhere"),
        (["R", "--minimize", "energy_j"], "--minimize is for a store"),
        (["X"], "X: result schema None"),
    ],
)
def test_a_bad_request_is_one_line_and_writes_nothing(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    accelerator_result().save(tmp_path / "R")
    (tmp_path / "X").write_text("{}")
    assert main(["report", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["R", "X"]


EVIL = (
    "![x]({0})", "![x](../secret.png)", "![x](file://{0})", "![x](https://host/p.png)",
    "[x](javascript:alert(1))", "[x]: {0}", "<img src={0} onerror=alert(1)>",
    "<script>alert(1)</script>", "</script><script>alert(1)</script>",
)  # fmt: skip
SECRET = b"\x89PNG secret"


def evil(folder: Path) -> tuple[str, ...]:
    """Notes that would bring a local picture, a request or a script into a page."""
    (folder / "secret.png").write_bytes(SECRET)
    return tuple(one.format(folder / "secret.png") for one in EVIL)


def body_of(page: str) -> str:
    """What a reader sees, without scripts and embedded pictures."""
    body = re.sub(
        r"<script.*?</script>", "", page.rpartition("</head>\n<body>")[2], flags=re.DOTALL
    )
    return re.sub(r'<img src="data:image/png;base64,[^"]*"', "<drawn", body)


def assert_only_text(page: str, drawn: int) -> None:
    assert base64.b64encode(SECRET)[:12].decode() not in page
    body = body_of(page)
    assert body.count("<drawn") == drawn
    assert not re.search(r"<(img|a|iframe|script|link)\b", body)
    assert not re.search(r"<script>alert", page)


def test_notes_and_names_of_a_result_bring_nothing_into_its_page(tmp_path: Path) -> None:
    fields = ("notes", "assumed", "fitted", "not_modelled", "operating_points")
    result = dataclasses.replace(accelerator_result(), **dict.fromkeys(fields, evil(tmp_path)))
    page = run_page([result], "One run")
    assert_only_text(page, drawn=5)
    assert "![x](https://host/p.png)" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for name in ("![x](s.png)", "</script><script>alert(1)</script>"):
        named = dataclasses.replace(accelerator_result(), chip=name, model=name)
        assert_only_text(run_page([named, accelerator_result()], f"Run of {name}"), drawn=5)


def test_axes_labels_and_reasons_of_a_sweep_bring_nothing_into_its_page(tmp_path: Path) -> None:
    notes = evil(tmp_path)
    result = sweep_of()
    for row, note in enumerate(notes):
        result.frame.loc[row, ["label", "status", "reason"]] = [note, "infeasible", note]
        result.frame.loc[row + 10, "label"] = note
    axis = "<img src=x onerror=alert(1)>"
    frame = result.frame.rename(columns={"pu.vector_size": axis})
    page = sweep_page(SweepResult(frame, (axis,)), ("energy_j", "latency_s"), (), notes[0])
    assert_only_text(page, drawn=1)
    _, columns = front_columns(
        frame.assign(on_front=False, knee=False), ("energy_j", "latency_s"), (axis,)
    )
    assert axis in {column.title for column in columns}
    table = _table(_bokeh(), _bokeh().ColumnDataSource({}), columns)
    titles = {column.title for column in table.columns}
    assert "&lt;img src=x onerror=alert(1)&gt;" in titles


def test_the_report_command_shows_a_note_with_a_picture_as_text(tmp_path: Path) -> None:
    result = dataclasses.replace(accelerator_result(), notes=evil(tmp_path))
    result.save(tmp_path / "r.json")
    assert main(["report", str(tmp_path / "r.json"), "-o", str(tmp_path / "p.html")]) == 0
    assert_only_text((tmp_path / "p.html").read_text(encoding="utf-8"), drawn=5)
