"""Which model a path or name means, and what each kind of model can do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "lowering"))

from hugging_face_folders import built, state

import edgesim as es
from edgesim.cli import main
from edgesim.errors import InputError
from edgesim.pipeline.models import ExportedFile, HuggingFaceFolder, ModelFolder, open_trace

SENTENCES = "sentence\tlabel\na fine film\t1\ndull and long and dull\t0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("bert classifier", tmp_path_factory.mktemp("hf") / "mine", with_tokenizer=True)[1]


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    text = capsys.readouterr().err.strip()
    assert "\n" not in text
    return text


def test_an_existing_path_comes_before_a_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minilm-sst2-ee").symlink_to(folder)
    (tmp_path / "m.pt2").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert isinstance(es.open_model("minilm-sst2-ee"), HuggingFaceFolder)
    assert isinstance(es.open_model("m.pt2"), ExportedFile)
    monkeypatch.chdir(folder)
    assert isinstance(es.open_model("minilm-sst2-ee"), ModelFolder)


def test_what_is_no_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    for target, words in (
        ("empty", "lacks config.json"), ("text.txt", "Hugging Face folder"),
        ("none.pt2", "no such file"),
    ):  # fmt: skip
        output = str(tmp_path / "t.npz")
        assert words in refused("lower", str(tmp_path / target), "-o", output, capsys=capsys)


def test_a_folder_is_lowered_and_runs_padded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = tmp_path / "t.npz"
    assert main(["lower", str(folder), "-o", str(stored)]) == 0
    capsys.readouterr()
    assert "--pad-to" in refused("run", str(folder), capsys=capsys)
    assert main(["run", str(folder), "--pad-to", "32", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["run", str(stored), "--pad-to", "32", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["energy_j"] == second["energy_j"]
    assert first["model"] == "mine"
    text = refused("run", str(folder), "--pad-to", "32", "--exit-threshold", "0.1", capsys=capsys)
    assert "no off-ramps" in text


@pytest.mark.parametrize("chip", ["edgebert-n16", "tx2-maxn"])
def test_what_a_folder_leaves_unused_is_a_note_of_every_run(
    chip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = built("bert", tmp_path / "mine")[1]
    state(noted, emb_size=3)
    note = "config.json: BertModel has no setting emb_size; without effect"
    stored = tmp_path / "t.npz"
    assert main(["lower", str(noted), "-o", str(stored)]) == 0
    assert f"note: {note}" in capsys.readouterr().out
    for target in (noted, stored):
        assert main(["run", str(target), "--pad-to", "8", "--chip", chip, "--json"]) == 0
        assert note in json.loads(capsys.readouterr().out)["notes"]
        assert main(["run", str(target), "--pad-to", "8", "--chip", chip]) == 0
        assert note in " ".join(capsys.readouterr().out.split())


def test_a_folder_without_a_model_type_is_no_zoo_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = built("bert", tmp_path / "tiny")[1]
    state(folder, model_type=None, architectures=None)
    text = refused("run", str(folder), "--pad-to", "8", capsys=capsys)
    assert 'add "model_type": "bert"' in text
    sentences = tmp_path / "sentences"
    sentences.mkdir()
    (sentences / "modules.json").write_text("[]")
    text = refused("run", str(sentences), "--pad-to", "8", capsys=capsys)
    assert "modules.json: a sentence-transformers folder" in text


def test_sentences_of_a_folder_give_logits_without_exits(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "two.tsv"
    text.write_text(SENTENCES)
    workload = es.open_model(folder).record(text)
    assert workload.entropies is None
    assert list(workload.num_tokens) == [5, 7]
    model = es.open_model(folder).module()
    with torch.no_grad():
        expected = model(torch.tensor([[2, 4, 5, 6, 3]])).logits[0].numpy()
    assert workload.logits is not None
    np.testing.assert_allclose(workload.logits[0, 0], expected, atol=1e-6)
    assert main(["run", str(folder), "--sentences", str(text), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    right = np.mean(workload.logits[:, 0].argmax(axis=1) == [1, 0])
    assert (record["num_sentences"], record["accuracy"]) == (2, right)
    assert record["average_exit_layer"] is None
    text.write_text("sentence\na fine film\n")
    assert es.open_model(folder).record(text).labels is None


def test_sentences_that_a_model_cannot_answer_are_one_line(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "s.tsv"
    text.write_text(SENTENCES)
    encoder = built("albert", tmp_path / "encoder", with_tokenizer=True)[1]
    with pytest.raises(InputError, match=r"AlbertModel has no classifier.*--pad-to"):
        es.open_model(encoder).record(text)
    (encoder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json: no such file"):
        es.open_model(encoder).record(text)
    text.write_text("sentence\tlabel\nfine\t7\n")
    with pytest.raises(InputError, match="label 7"):
        es.open_model(folder).record(text)
    text.write_text("sentence\n" + "fine " * 60 + "\n")
    with pytest.raises(InputError, match="62 tokens, the model allows 48"):
        es.open_model(folder).record(text)


def test_an_exported_file_runs_padded_and_reads_no_sentences(folder: Path, tmp_path: Path) -> None:
    model = es.open_model(folder).module()
    ids = torch.zeros((1, 8), dtype=torch.long)
    length = torch.export.Dim("S", min=2, max=48)
    program = torch.export.export(
        model, (), {"input_ids": ids}, dynamic_shapes={"input_ids": {1: length}}, strict=False
    )
    torch.export.save(program, tmp_path / "mine.pt2")
    trace, source = open_trace(tmp_path / "mine.pt2")
    assert source is not None
    assert source.workload() is None
    direct = es.open_model(folder).trace()
    assert list(trace.all_ops()) == list(direct.all_ops())
    chip = es.load_chip("edgebert-n16")
    energy = [es.simulate(one, chip, pad_to=16).energy_j for one in (trace, direct)]
    assert energy[0] == energy[1]
    with pytest.raises(InputError, match="no tokenizer"):
        source.record(tmp_path / "s.tsv")
    with pytest.raises(InputError, match="not run"):
        source.module()


def test_a_zoo_folder_is_wanted_where_thresholds_are(folder: Path) -> None:
    with pytest.raises(InputError, match="a zoo folder is wanted"):
        es.find_model(folder)


def test_a_run_of_a_folder_prints_nothing_but_its_json(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(folder), "--pad-to", "8", "--json"]) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["chip"] == "edgebert-n16"
    assert printed.err == ""
