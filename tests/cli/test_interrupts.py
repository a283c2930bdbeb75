"""Ctrl-C and folders that take no file: one line, nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from edgesim.cli import main

READY = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from edgesim.cli import main; print('ready', flush=True); sys.exit(main(sys.argv[1:]))"
)
"""A command that takes Ctrl-C also where the tests run in a background job, which ignores it."""
LONG_RUN = ("run", "minilm-sst2-ee", "--uncertainty", "5000", "--json", "out.json")
LOWERING = ("lower", "minilm-sst2-ee", "-o", "out.npz")


@pytest.mark.parametrize("arguments", [LONG_RUN, LOWERING], ids=["run", "lower"])
@pytest.mark.parametrize("delay_s", [0.2, 2.0])
def test_ctrl_c_ends_a_command_with_one_line_and_leaves_no_file(
    arguments: tuple[str, ...], delay_s: float, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", READY, *arguments]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "edgesim: interrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("lower", "minilm-sst2-ee", "-o"), ("run", "minilm-sst2-ee", "--json"),
     ("run", "minilm-sst2-ee", "--timeline"), ("demo", "-o"), ("report", "x.json", "-o")],
)  # fmt: skip
def test_a_folder_that_takes_no_file_is_named_before_anything_is_computed(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    started = time.process_time()
    assert main([*arguments, str(tmp_path / "out")]) == 2
    assert time.process_time() - started < 1
    line = f"edgesim: {tmp_path / 'out'}: nothing can be written in {tmp_path} (Permission denied)"
    assert capsys.readouterr().err == f"{line}\n"


def test_a_file_in_a_folder_that_is_not_there_is_named_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.process_time()
    assert main(["lower", "minilm-sst2-ee", "-o", str(tmp_path / "no" / "t.npz")]) == 2
    assert time.process_time() - started < 1
    assert f"the folder {tmp_path / 'no'} does not exist" in capsys.readouterr().err
