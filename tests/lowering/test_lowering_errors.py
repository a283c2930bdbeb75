"""What cannot be lowered is named, all of it, and the model is left as it was."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from lower_models import HIDDEN, bert, build, randomised, sentence
from torch import Tensor, nn
from transformers import BatchEncoding, BertForSequenceClassification, BertModel

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.errors import InputError, LoweringError
from edgesim.pipeline.lower import lower_model as lower


class Strange(nn.Module):
    """Two modules with operations of their own, and outputs that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BertModel(bert(hidden_act="silu"), add_pooling_layer=False)
        self.wave = Wave()
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        hidden = self.encoder(input_ids).last_hidden_state
        running = torch.cumsum(self.head(self.wave(hidden)), dim=1)
        return running, F.softmax(self.head(hidden[:, 0]), dim=-1), hidden.transpose(1, 2)


class Wave(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x) + torch.sin(2.0 * x)


def message(model: nn.Module, *inputs: object) -> str:
    with pytest.raises(LoweringError) as caught:
        lower(model, *inputs)
    return str(caught.value)


def test_one_error_names_operations_that_are_not_understood_and_counts_the_rest() -> None:
    text = message(Strange())
    assert len(text) < 700
    for expected in (
        "Strange(BertModel): 6 operations cannot be lowered",
        "aten.silu.default at encoder.encoder.layer.0.intermediate.intermediate_act_fn (and 1)",
        "aten.sin.default (2 times) at wave",
        "aten.cumsum.default at the model itself",
        "more kind",
        "Replace them by",
    ):
        assert expected in text
    assert "\n" not in text


def test_operations_that_only_follow_an_unknown_one_are_not_blamed() -> None:
    text = message(Strange())
    assert "aten.linear" not in text
    assert "scaled_dot_product" not in text


@pytest.mark.parametrize(
    ("activation", "named"),
    [("silu", "aten.silu.default"), ("quick_gelu", "aten.sigmoid.default"), ("mish", "aten.mish")],
)
def test_an_activation_that_no_chip_has_is_named_in_every_layer(
    activation: str, named: str
) -> None:
    config = bert(hidden_act=activation)
    config.num_hidden_layers = 12
    text = message(BertModel(config))
    assert named in text
    assert "at encoder.layer.0.intermediate.intermediate_act_fn (and 1-11): " in text
    assert len(text) < 600


def test_causal_attention_is_refused() -> None:
    text = message(BertModel(bert(is_decoder=True, use_cache=False)))
    assert "the model itself has config.is_decoder = True" in text


class LocalAttention(nn.Module):
    """Attends to neighbours ahead only: a short probe would take its mask for all ones."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([nn.Linear(HIDDEN, HIDDEN)])})
        self.table = nn.Embedding(50, HIDDEN)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.encoder["layer"][0](self.table(input_ids)).unsqueeze(1)
        place = torch.arange(input_ids.shape[1])
        near = place[None, :] - place[:, None] < 20
        return F.scaled_dot_product_attention(hidden, hidden, hidden, near).squeeze(1)


def test_a_one_sided_attention_window_is_not_taken_for_full_attention() -> None:
    assert "a mask that hides some of the tokens" in message(LocalAttention())


class LastToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = BertModel(bert(), add_pooling_layer=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.encoder(input_ids).last_hidden_state
        return torch.cat([hidden[:, -1], hidden.sum(dim=1), hidden.mean(dim=(0, 1))[None]])


def test_pooling_other_than_mean_and_first_is_refused() -> None:
    text = message(LastToken())
    assert "aten.select.int at the model itself: selects row -1" in text
    assert "a mean over several axes" in text
    assert "aten.cat.default" in text


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, HIDDEN)

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden = self.table(input_ids)
        hidden.mul_(3.0)
        return hidden


def test_a_change_in_place_is_never_dropped() -> None:
    assert "aten.mul.Tensor at the model itself" in message(InPlace())


def test_a_scaled_output_is_not_returned_unscaled() -> None:
    class Scaled(InPlace):
        def forward(self, input_ids: Tensor) -> Tensor:
            return self.table(input_ids) * 3.0

    assert "aten.mul.Tensor" in message(Scaled())


def test_attention_outside_of_numbered_layers_is_refused() -> None:
    class Unnumbered(InPlace):
        def forward(self, input_ids: Tensor) -> Tensor:
            hidden = self.table(input_ids).unsqueeze(1)
            return F.scaled_dot_product_attention(hidden, hidden, hidden).squeeze(1)

    assert "attention outside of the encoder layers" in message(Unnumbered())


def test_an_off_ramp_that_does_not_pool_is_refused() -> None:
    model = MultiExitClassifier(BertModel(bert(), add_pooling_layer=False))
    model.ramps[1].forward = lambda hidden, mask: model.ramps[1].classifier(hidden)
    model.forward = lambda input_ids: model.ramps[1](
        model.encoder(input_ids).last_hidden_state, None
    )
    assert "off-ramp at ramps.1.classifier: ends in S rows" in message(model)


def test_a_forward_that_depends_on_token_values_is_refused() -> None:
    class Branching(InPlace):
        def forward(self, input_ids: Tensor) -> Tensor:
            return self.table(input_ids) if input_ids.sum() > 3 else self.table(input_ids + 1)

    assert "branches on the values" in message(Branching())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_model_in_training_mode_is_lowered_in_evaluation_and_keeps_its_modes(
    attention: str,
) -> None:
    model = build("bert classifier", attention).train()
    model.bert.embeddings.eval()
    modes = [module.training for module in model.modules()]
    trace = lower(model)
    assert [module.training for module in model.modules()] == modes
    assert not any("dropout" in op.name for op in trace.all_ops())
    with pytest.raises(LoweringError):
        lower(Strange().train())


def test_all_ways_to_give_inputs_give_one_trace() -> None:
    model = randomised(BertForSequenceClassification(bert()))
    ids, ones = sentence(6), torch.ones(1, 6, dtype=torch.long)
    padded = torch.tensor([[1, 1, 1, 0, 0, 0]])
    encoded = {"input_ids": ids.tolist(), "token_type_ids": 0 * ones, "attention_mask": padded}
    traces = [
        lower(model, inputs)
        for inputs in (
            None, ids[:, :1], (ids.expand(4, 6), ones), BatchEncoding(encoded),
        )
    ]  # fmt: skip
    first = list(traces[0].all_ops())
    assert all(list(trace.all_ops()) == first for trace in traces[1:])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"input_idz": [[1]]}, "input_idz is no argument of BertModel"),
        ({"inputs_embeds": torch.zeros(1, 2, HIDDEN)}, "inputs_embeds without input_ids"),
        (torch.zeros(1, 4), "whole-number token ids"),
        (torch.zeros(1, 0, dtype=torch.long), "at least one token"),
        (torch.zeros(1, 49, dtype=torch.long), "49 tokens; BertModel takes at most 48"),
        ({"input_ids": [[1, 2], [3]]}, "give a tensor, or nested lists of numbers"),
        ("a sentence", "token ids as a tensor"),
    ],
)
def test_inputs_of_unknown_meaning_are_refused(inputs: object, expected: str) -> None:
    with pytest.raises(InputError, match="example_inputs") as caught:
        lower(BertModel(bert()), inputs)
    assert expected in str(caught.value)


def test_only_modules_are_lowered() -> None:
    with pytest.raises(InputError, match=r"allowed is a torch\.nn\.Module"):
        lower("bert-base-uncased")  # type: ignore[arg-type]


def test_weights_on_the_meta_device_are_named_with_what_to_do() -> None:
    model = build("bert").to("meta")
    with pytest.raises(InputError, match=r"embeddings.* is on meta; .*hold no values"):
        lower(model)


def test_a_buffer_on_another_device_is_named_too() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
    model.register_buffer("table", torch.zeros(3, device="meta"))
    with pytest.raises(InputError, match="table is on meta"):
        lower(model)


def test_a_conversion_to_half_precision_is_not_dropped() -> None:
    class Rounded(InPlace):
        def forward(self, input_ids: Tensor) -> Tensor:
            return self.table(input_ids).half().float()

    assert "a conversion to torch.float16, which rounds" in message(Rounded())
