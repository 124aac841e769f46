"""llm.architectures and llm.bert_and_t5: Hugging Face's numbers, and who can see whom."""

import math
import re

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, T5Config, T5ForConditionalGeneration

from llm import (
    RNN,
    Encoder,
    EncoderDecoder,
    cross_entropy,
    encoder_decoder_from_huggingface,
    encoder_from_huggingface,
    generate,
    mask_tokens,
    trace,
)
from llm.architectures import IGNORE

SIZES = {"d_model": 16, "n_layers": 2, "n_heads": 4, "max_seq_len": 12}
BERT = BertConfig(
    vocab_size=31,
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=24,
    type_vocab_size=3,
)
T5 = T5Config(vocab_size=31, d_model=16, d_kv=6, d_ff=20, num_layers=3, num_heads=2)
IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
REAL = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])


@pytest.fixture
def bert(disturb):
    return disturb(BertForMaskedLM(BERT)).eval()


@pytest.fixture
def t5(disturb):
    return disturb(T5ForConditionalGeneration(T5)).eval()


@pytest.fixture
def encoder(disturb):
    return disturb(Encoder(13, **SIZES)).eval()


@pytest.fixture
def translator(disturb):
    return disturb(EncoderDecoder(13, **SIZES)).eval()


@torch.no_grad()
def test_bert_gives_hugging_face_s_logits(bert):
    ours = encoder_from_huggingface(bert.state_dict(), BERT.to_dict())
    segments = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 1, 2]])
    theirs = bert(IDS, token_type_ids=segments, attention_mask=REAL.long()).logits
    torch.testing.assert_close(ours(IDS, segments, REAL)[REAL], theirs[REAL], atol=1e-5, rtol=0)
    assert theirs.std() > 0.5
    torch.testing.assert_close(ours(IDS), bert(IDS).logits, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("T, S", [(1, 9), (40, 150)])  # within and beyond the last bucket
def test_t5_gives_hugging_face_s_logits(t5, T, S):
    ours = encoder_decoder_from_huggingface(t5.state_dict(), T5.to_dict())
    source, ids = torch.randint(31, (2, S)), torch.randint(31, (2, T))
    real = torch.arange(S) < torch.tensor([[S], [S // 2]])
    theirs = t5(input_ids=source, attention_mask=real.long(), decoder_input_ids=ids).logits
    torch.testing.assert_close(ours(source, ids, real), theirs, atol=1e-5, rtol=0)
    assert theirs.std() > 0.1


def test_checkpoints_are_read_from_a_folder(bert, t5, tmp_path):
    for theirs, read in ((bert, encoder_from_huggingface), (t5, encoder_decoder_from_huggingface)):
        theirs.save_pretrained(tmp_path / theirs.config.model_type)
        loaded = read(tmp_path / theirs.config.model_type).state_dict()
        kept = read(theirs.state_dict(), theirs.config.to_dict()).state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in kept.items())


def test_what_is_not_such_a_checkpoint_is_refused(bert, t5):
    state, config = bert.state_dict(), BERT.to_dict()
    with pytest.raises(ValueError, match="reads model_type='t5'"):
        encoder_decoder_from_huggingface(state, config)
    with pytest.raises(ValueError, match="pass hf_config"):
        encoder_from_huggingface(state)
    with pytest.raises(ValueError, match="hidden_act='relu' is not supported"):
        encoder_from_huggingface(state, config | {"hidden_act": "relu"})
    with pytest.raises(ValueError, match="feed_forward_proj='gated-gelu'"):
        theirs = T5.to_dict() | {"feed_forward_proj": "gated-gelu"}
        encoder_decoder_from_huggingface(t5.state_dict(), theirs)
    with pytest.raises(ValueError, match="missing tensors: token.weight"):
        lacking = {n: t for n, t in state.items() if "word_embeddings" not in n}
        encoder_from_huggingface(lacking, config)
    with pytest.raises(ValueError, match="unknown tensors: bert.pooler"):
        encoder_from_huggingface(state | {"bert.pooler": torch.ones(1)}, config)


def moved(model, inputs: list, which: int, place: int) -> list[bool]:
    """For each row of logits, whether it moves when the token at a place is exchanged."""
    with torch.no_grad():
        before = model(*inputs)
        changed = [t.clone() for t in inputs]
        changed[which][0, place] = (changed[which][0, place] + 1) % 13
        return ((model(*changed) - before).abs().amax(-1)[0] > 1e-6).tolist()


def test_an_encoder_sees_both_ways(encoder):
    for place in range(6):
        assert all(moved(encoder, [IDS[:1]], 0, place))


def test_an_encoder_does_not_see_padding(encoder):
    with torch.no_grad():
        padded = encoder(IDS[:1], padding_mask=REAL[:1])[:, :4]
        torch.testing.assert_close(padded, encoder(IDS[:1, :4]))


def test_a_decoder_sees_all_of_the_source_and_its_own_past(translator):
    source, ids = IDS[:1], IDS[1:, :5]
    for place in range(6):
        assert all(moved(translator, [source, ids], 0, place))
    for place in range(5):
        assert moved(translator, [source, ids], 1, place) == [t >= place for t in range(5)]


def test_a_decoder_does_not_see_the_padding_of_the_source(translator):
    ids = IDS[1:, :3]
    with torch.no_grad():
        padded = translator(IDS[:1], ids, REAL[:1])
        torch.testing.assert_close(padded, translator(IDS[:1, :4], ids))


def test_cross_attention_has_a_row_a_target_and_a_column_a_source(translator):
    with torch.no_grad(), trace(translator) as acts:
        logits = translator(IDS, IDS[:, :5])
    assert logits.shape == (2, 5, 13)
    for i in range(2):
        weights = acts[f"decoder.{i}.cross_attention.weights"]
        assert weights.shape == (2, 4, 5, 6)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))


def test_an_rnn_sees_its_past_alone_and_can_be_continued(disturb):
    for kind in ("lstm", "gru", "rnn"):
        model = disturb(RNN(13, 8, kind=kind)).eval()
        for place in range(6):
            assert moved(model, [IDS[:1]], 0, place) == [t >= place for t in range(6)]
    assert generate(model, IDS, 3, temperature=0).shape == (2, 9)


@pytest.mark.parametrize("kind, gates", [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_an_rnn_has_the_parameters_of_the_formula(kind, gates):
    model = RNN(13, 8, n_layers=2, kind=kind)
    assert sum(p.numel() for p in model.parameters()) == 2 * 13 * 8 + 2 * gates * (2 * 64 + 16)


def test_a_new_model_guesses_evenly_at_first():
    torch.manual_seed(0)
    source, ids = torch.randint(50, (8, 12)), torch.randint(50, (8, 12))
    logits = {
        "encoder": Encoder(50, **SIZES)(source),
        "translator": EncoderDecoder(50, **SIZES)(source, ids),
        "rnn": RNN(50, 16)(source),
    }
    other = torch.randint(50, (8, 12))
    losses = {name: float(cross_entropy(each, other).detach()) for name, each in logits.items()}
    assert losses["encoder"] == pytest.approx(math.log(50), abs=0.2)
    assert losses["translator"] == pytest.approx(math.log(50) + 0.5, abs=0.4)  # logits spread by 1
    assert losses["rnn"] == pytest.approx(math.log(50), abs=0.2)


def test_the_tied_table_is_one_parameter(encoder):
    assert encoder.lm_head.weight is encoder.token.weight
    names = [name for name, _ in encoder.named_parameters()]
    assert "lm_head.bias" in names and "lm_head.weight" not in names


def test_writing_is_what_decoding_step_by_step_gives(translator):
    written = translator.train().write(IDS, begin=1, max_new_tokens=4, source_mask=REAL)
    assert translator.training and written.shape == (2, 4)
    translator.eval()
    ids = torch.ones(2, 1, dtype=torch.long)
    for _ in range(4):
        newest = translator(IDS, ids, REAL)[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat([ids, newest], dim=1)
    assert torch.equal(written, ids[:, 1:])


def test_masked_tokens_are_drawn_as_bert_draws_them():
    ids = torch.randint(5, 100, (400, 500))
    inputs, targets = mask_tokens(ids, 3, 1000, generator=torch.Generator().manual_seed(1))
    chosen = targets != IGNORE
    n = int(chosen.sum())
    assert abs(n / ids.numel() - 0.15) < 0.003
    assert torch.equal(inputs[~chosen], ids[~chosen]) and torch.equal(targets[chosen], ids[chosen])
    hidden, kept = inputs[chosen] == 3, inputs[chosen] == ids[chosen]
    assert abs(float(hidden.float().mean()) - 0.8) < 0.01
    assert abs(float(kept.float().mean()) - 0.1) < 0.01
    strange = inputs[chosen][~hidden & ~kept]
    assert strange.min() < 30 and strange.max() > 970  # any entry of the vocabulary


def test_special_tokens_are_never_chosen():
    ids = torch.randint(6, (50, 50))
    inputs, targets = mask_tokens(ids, 5, 6, special=(0, 4), share=1.0)
    spared = (ids == 0) | (ids == 4) | (ids == 5)
    assert torch.equal(targets == IGNORE, spared) and torch.equal(inputs[spared], ids[spared])


def test_masking_repeats_with_its_seed():
    ids = torch.randint(10, (4, 9))
    first, second = (
        mask_tokens(ids, 9, 10, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_settings_that_cannot_be_are_refused(encoder, translator):
    with pytest.raises(ValueError, match="share=0 must be above 0"):
        mask_tokens(IDS, 12, 13, share=0)
    with pytest.raises(ValueError, match="kind='tree': choose one of lstm, gru, rnn"):
        RNN(13, 8, kind="tree")
    with pytest.raises(ValueError, match=re.escape("must be a tensor (B, T)")):
        encoder(IDS[0])
    with pytest.raises(ValueError, match="position 12 is outside 0 … 11"):
        encoder(torch.zeros(1, 13, dtype=torch.long))
    with pytest.raises(ValueError, match="token id 19 is outside"):
        translator(IDS + 10, IDS)
    with pytest.raises(ValueError, match="mask has dtype torch.int64"):
        encoder(IDS, padding_mask=REAL.long())


def test_dropout_is_off_in_evaluation_and_on_in_training():
    for model, inputs in ((Encoder(13, **SIZES, dropout=0.5), (IDS,)),):
        assert not torch.equal(model(*inputs), model(*inputs))
        model.eval()
        assert torch.equal(model(*inputs), model(*inputs))


def test_every_parameter_learns(encoder, translator):
    for model, inputs in ((encoder, (IDS,)), (translator, (IDS, IDS)), (RNN(13, 8), (IDS,))):
        assert isinstance(model, nn.Module)
        cross_entropy(model(*inputs), IDS).backward()
        still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert not still
