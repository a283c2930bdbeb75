"""Oracle tests of what results are called."""

from __future__ import annotations

from synthetic_results import accelerator_result, demo_results, gpu_result

from edgesim.ir.labels import common_name, distinct_labels, settings_text


def test_a_lone_result_is_called_by_its_chip() -> None:
    assert distinct_labels([accelerator_result()]) == ("edgebert-n16",)


def test_labels_say_only_what_differs() -> None:
    assert distinct_labels(demo_results()) == (
        "edgebert-n16 (full depth)",
        "edgebert-n16 (exit < 0.28)",
        "tx2-maxn (exit < 0.28, fp16)",
    )


def test_results_that_differ_in_nothing_are_numbered() -> None:
    assert distinct_labels([gpu_result(), gpu_result()]) == ("tx2-maxn (#1)", "tx2-maxn (#2)")


def test_padding_is_said_where_results_differ_in_it() -> None:
    padded = accelerator_result()
    padded = accelerator_result(settings={**padded.settings, "pad_to": 128})
    assert distinct_labels([accelerator_result(), padded]) == (
        "edgebert-n16 (S own)",
        "edgebert-n16 (S padded to 128)",
    )


def test_settings_name_exit_precision_length_and_arithmetic() -> None:
    text = settings_text(gpu_result(exit_threshold=0.28))
    assert text == "exit < 0.28, fp16, S own, activations float32"


def test_a_chip_whose_results_are_all_meant_is_named_once() -> None:
    results = demo_results()
    labels = distinct_labels(results)
    assert common_name(results, labels, labels[:2]) == "edgebert-n16"
    assert common_name(results, labels, labels[1:]) == f"{labels[1]}; tx2-maxn"
