"""A trace in the sound arithmetic: padding, spans, op by op against plain references, defects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chip_cases import FORMAT, profile, sentences, toy
from twins.chip_arithmetic import accumulate_plainly

from edgesim.errors import InputError
from edgesim.functional.batch import Batch, batches
from edgesim.functional.calibration import with_largest, with_zeros
from edgesim.functional.chip.arithmetic import ChipArithmetic, Coded, chip_arithmetic
from edgesim.functional.chip.profile import DEFECTS, EXIT_AT_MOST, RAW_BYTES, SIGN_LOST, WRAPS
from edgesim.functional.execution import execute_all, execute_batch
from edgesim.functional.float32 import execute, float32_arithmetic
from edgesim.ir.ops import MatMul, Op
from edgesim.ir.optrace import OpTrace

CHIPS = {
    "adaptivfloat": profile(),
    "int8": profile({"pu.number_format": "int8", "pu.accumulator_bits": 24}),
    "host activations": profile({"pu.activation_functions": ["relu"]}),
    "narrow sums": profile({"pu.accumulator_bits": 20}),
}


def all_values(trace: OpTrace, arithmetic: Any, batch: Batch) -> dict[str, np.ndarray]:
    found = {}

    def keep(op: Op, value: Any) -> None:
        found[op.output] = arithmetic.values(value)

    execute_batch(trace, batch, arithmetic, keep)
    return found


@pytest.mark.parametrize("name", [*CHIPS, "float32"])
@pytest.mark.parametrize("spans", [None, (3, 0, None)])
def test_padding_changes_no_answer_and_no_value(
    name: str, spans: tuple[int | None, ...] | None
) -> None:
    """Sentences at their own length and padded to 16, 32 and 37, exactly equal."""
    trace = toy(spans=spans)
    given = sentences(1, 2, 5, 9, 16)
    arithmetic = (
        float32_arithmetic(trace) if name == "float32" else chip_arithmetic(trace, CHIPS[name])
    )
    own = execute_all(trace, given, arithmetic)
    for pad_to in (16, 32, 37):
        padded = execute_all(trace, given, arithmetic, pad_to=pad_to)
        np.testing.assert_array_equal(padded.logits, own.logits)
        np.testing.assert_array_equal(padded.entropies, own.entropies)
    _, alone = next(batches(trace, given[3:4]))
    _, wide = next(batches(trace, given[3:4], 16))
    short, long = all_values(trace, arithmetic, alone), all_values(trace, arithmetic, wide)
    for tensor, value in short.items():
        held = tuple(slice(0, size) for size in value.shape)
        np.testing.assert_array_equal(long[tensor][held], value, err_msg=tensor)


@pytest.mark.parametrize("name", CHIPS)
def test_a_sentence_gets_the_same_answer_in_any_company(name: str) -> None:
    trace, given = toy(), sentences(7, 7, 7, 3)
    arithmetic = chip_arithmetic(trace, CHIPS[name])
    together = execute_all(trace, given, arithmetic)
    for row, sentence in enumerate(given):
        alone = execute_all(trace, [sentence], arithmetic)
        np.testing.assert_array_equal(alone.logits[0], together.logits[row])


def test_narrow_accumulators_saturate_and_say_how_often() -> None:
    trace, given = toy(), sentences(11)
    for name, happens in (("narrow sums", True), ("adaptivfloat", False)):
        arithmetic = chip_arithmetic(trace, CHIPS[name])
        execute_all(trace, given, arithmetic)
        events = {event for event, _ in arithmetic.counts}
        assert ("saturated accumulators" in events) == happens


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "tanh", "relu"])
@pytest.mark.parametrize("name", ["adaptivfloat", "int8", "host activations"])
def test_values_stay_close_to_float32(name: str, activation: str) -> None:
    trace = toy(activation)
    _, batch = next(batches(trace, sentences(11)))
    got = all_values(trace, chip_arithmetic(trace, CHIPS[name]), batch)
    expected = all_values(trace, float32_arithmetic(trace), batch)
    for tensor, value in got.items():
        scale = np.sqrt(np.mean(expected[tensor] ** 2)) + 0.02
        error = np.sqrt(np.mean((value - expected[tensor]) ** 2)) / scale
        assert error < (0.3 if "ramp" in tensor else 0.15), (tensor, error)
        assert error > 0 or "embed" in tensor or value.size < 3


def test_a_product_is_encode_of_its_whole_number_sums() -> None:
    """One product recomputed from codes with Python integers and Algorithm 1."""
    trace = toy()
    arithmetic = chip_arithmetic(trace, CHIPS["adaptivfloat"])
    op = next(op for op in trace.layers[0].ops if isinstance(op, MatMul))
    random = np.random.default_rng(0)
    x = Coded(random.integers(0, 256, (1, 6, 24)).astype(np.uint8), -6)
    got = arithmetic.run(op, [x], Batch(np.zeros((1, 6), dtype=np.int64), np.array([6])))
    weight, bias = arithmetic.weights[op.weight], arithmetic.weights[op.bias]
    integers = FORMAT.code_table(4)
    sums = accumulate_plainly(integers[x.codes[0]], integers[weight.codes], 40, 16).totals
    exponent = -6 - 4 + int(weight.parameter) - 4
    added = np.rint(FORMAT.decode(bias.codes, int(bias.parameter)) / 2.0**exponent)
    expected = FORMAT.encode((sums + added) * 2.0**exponent, int(got.parameter))
    np.testing.assert_array_equal(got.codes[0], expected)


def test_heads_without_span_give_exactly_zero_and_long_spans_change_nothing() -> None:
    given = sentences(9)
    whole, far = toy(), toy(spans=(9, 30, None))
    dark = toy(spans=(0, 0, 0))
    for make in (float32_arithmetic, lambda trace: chip_arithmetic(trace, CHIPS["int8"])):
        np.testing.assert_array_equal(
            execute_all(whole, given, make(whole)).logits,
            execute_all(replace(far, tensors=whole.tensors), given, make(
                replace(far, tensors=whole.tensors)
            )).logits,
        )  # fmt: skip
        _, batch = next(batches(dark, given))
        values = all_values(dark, make(dark), batch)
        contexts = [value for name, value in values.items() if name.endswith("context.out")]
        assert contexts
        assert all((value == 0).all() for value in contexts)


def test_a_token_sees_what_lies_closer_than_its_span() -> None:
    trace = toy(spans=(2, None, 1))
    values = execute(trace, sentences(6)[0])
    name = next(op.output for op in trace.layers[0].ops if op.kind == "softmax")
    shares = values[name]
    near = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    assert ((shares[0] > 0) == (near < 2)).all()
    assert (shares[1] > 0).all()
    np.testing.assert_array_equal(shares[2], np.eye(6))


def test_wrapping_at_sixteen_bits_and_lost_signs_do_what_they_say() -> None:
    trace = toy()
    op = next(op for op in trace.layers[0].ops if isinstance(op, MatMul))
    batch = Batch(np.zeros((1, 1), dtype=np.int64), np.array([1]))
    x = Coded(np.full((1, 1, 24), 0x7F, dtype=np.uint8), -3)
    sound = chip_arithmetic(trace, CHIPS["adaptivfloat"])
    clamped = sound.values(sound.run(op, [x], batch))
    assert clamped.min() < 0 < clamped.max()
    lost = chip_arithmetic(trace, CHIPS["adaptivfloat"].with_defects([SIGN_LOST]))
    largest = FORMAT.code_table(int(lost.run(op, [x], batch).parameter)).max()
    found = lost.values(lost.run(op, [x], batch))
    np.testing.assert_array_equal(found, np.where(clamped == -largest, largest, clamped))
    assert (clamped == -largest).any()
    wraps = chip_arithmetic(trace, CHIPS["adaptivfloat"].with_defects([WRAPS]))
    wraps.run(op, [x], batch)
    assert wraps.counts["wrapped accumulators", op.name] > 0


def test_raw_bytes_are_pairs_of_codes_and_zeros_per_vector() -> None:
    arithmetic = chip_arithmetic(toy(), CHIPS["adaptivfloat"].with_defects([RAW_BYTES]))
    codes = np.arange(1, 21, dtype=np.uint8)[np.newaxis]
    read = arithmetic._read(Coded(codes, -3))
    assert read is not None
    assert read.shape == codes.shape
    np.testing.assert_array_equal(read[0, :8], [2 * i + 1 + 256 * (2 * i + 2) for i in range(8)])
    assert (read[0, 8:16] == 0).all()
    np.testing.assert_array_equal(read[0, 16:18], [17 + 256 * 18, 19 + 256 * 20])


def test_with_the_defect_norms_add_gamma_in_place_of_beta() -> None:
    trace = toy()
    given = sentences(4)
    defect = chip_arithmetic(trace, CHIPS["adaptivfloat"].with_defects(["beta read from gamma"]))
    assert trace.values is not None
    gammas = {
        name: trace.values[name.replace("beta", "gamma")]
        for name in trace.values
        if name.endswith("beta")
    }
    one_norm = replace(trace, values={**trace.values, **gammas})
    same = chip_arithmetic(one_norm, CHIPS["adaptivfloat"])
    np.testing.assert_array_equal(
        execute_all(trace, given, defect).logits, execute_all(one_norm, given, same).logits
    )


def test_leaving_is_strictly_below_and_with_the_defect_at_most() -> None:
    sound = chip_arithmetic(toy(), CHIPS["adaptivfloat"])
    at_most = chip_arithmetic(toy(), CHIPS["adaptivfloat"].with_defects([EXIT_AT_MOST]))
    entropies = np.array([0.25 - 2**-10, 0.25, 0.25 + 2**-10])
    assert sound.leaves(entropies, 0.25).tolist() == [True, False, False]
    assert at_most.leaves(entropies, 0.25).tolist() == [True, True, False]
    assert at_most.leaves(entropies, 0.2509).tolist() == [True, True, False]  # cut to a word
    assert at_most.leaves(entropies, np.inf).all()


def test_biases_outside_their_register_are_clamped() -> None:
    trace = toy()
    narrow = profile({"arithmetic.exponent_bias": [-5, -5]})
    arithmetic = chip_arithmetic(trace, narrow)
    assert {weight.parameter for weight in arithmetic.weights.values()} == {-5}
    assert arithmetic.operands.is_clamped(100.0)
    assert not arithmetic.operands.is_clamped(5.0)  # 4 to 8 has exponent 2, bias -5


def test_statistics_of_zeros_count_codes_of_the_chip() -> None:
    trace = toy("relu")
    given = sentences(6, 10)
    measured = with_zeros(trace, given, CHIPS["adaptivfloat"], "made up")
    assert measured.activation_statistics == "made up"
    name = next(op.output for op in trace.layers[0].ops if op.kind == "activation")
    arithmetic: ChipArithmetic = chip_arithmetic(trace, CHIPS["adaptivfloat"])
    codes = []
    for _, batch in batches(trace, given):

        def keep(op: Op, value: Any) -> None:
            if op.output == name:
                codes.append(value.codes.reshape(-1, 40))

        execute_batch(trace, batch, arithmetic, keep)
    rows = np.concatenate(codes)
    tensor = measured.tensors[name]
    assert tensor.density == np.mean(rows != 0)
    cut = np.pad(rows, [(0, 0), (0, 8)]).reshape(16, 3, 16)
    assert tensor.null_vector_fraction == np.mean((cut == 0).all(axis=-1))
    assert 0.2 < tensor.density < 0.8


def test_faults_of_the_request_are_one_sentence_each() -> None:
    trace = toy()
    bare = replace(trace, tensors={n: replace(t, largest=None) for n, t in trace.tensors.items()})
    with pytest.raises(InputError, match="was not calibrated; run"):
        execute_all(bare, sentences(3), chip_arithmetic(bare, profile()))
    with pytest.raises(InputError, match="no weight values"):
        chip_arithmetic(replace(trace, values=None), profile())
    with pytest.raises(InputError, match="posit<8,1> are not modelled"):
        chip_arithmetic(trace, profile({"pu.number_format": "posit<8,1>"}))
    with pytest.raises(InputError, match="at most 8 bits"):
        chip_arithmetic(trace, profile({"pu.number_format": "adaptivfloat<16,5>"}))
    with pytest.raises(InputError, match="no sentences"):
        with_largest(trace, [])
    with pytest.raises(InputError, match="defects nonsense; allowed"):
        profile().with_defects(["nonsense"])
    name = trace.layers[0].ops[0].weights[0]
    damaged = {**trace.values, name: np.full_like(trace.values[name], np.nan)}
    with pytest.raises(InputError, match="NaN"):
        chip_arithmetic(replace(trace, values=damaged), profile())
    with pytest.raises(InputError, match="pad_to is 2"):
        execute_all(trace, sentences(3), chip_arithmetic(trace, profile()), pad_to=2)


def test_tensors_of_zeros_take_the_bias_of_one() -> None:
    trace = toy()
    name = trace.layers[0].ops[0].weights[0]
    dark = replace(trace, values={**trace.values, name: np.zeros_like(trace.values[name])})
    assert chip_arithmetic(dark, profile()).weights[name].parameter == -7


def test_every_defect_has_a_name_of_its_own() -> None:
    assert len(set(DEFECTS)) == 5
    prints = {profile().with_defects([d]).fingerprint for d in DEFECTS} | {profile().fingerprint}
    assert len(prints) == 6
    eight = profile({"pu.vector_size": 8})
    assert eight.fingerprint == profile().fingerprint  # sums that never saturate have no order


def test_registers_reach_no_further_than_words_where_only_words_are_read() -> None:
    """A residual sum of 190 is cut to 32 by Q6.10 anyway; its register keeps the resolution."""
    trace = toy()
    name = next(op.output for op in trace.layers[0].ops if op.kind == "add")
    product = next(op.output for op in trace.layers[0].ops if op.kind == "matmul")
    far = {n: replace(trace.tensors[n], largest=190.0) for n in (name, product)}
    trace = replace(trace, tensors={**trace.tensors, **far})
    arithmetic = chip_arithmetic(trace, profile())
    assert arithmetic.largest(name) == (2**15 - 1) / 2**10
    assert arithmetic.largest(product) == 190.0
