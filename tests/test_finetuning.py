"""llm.finetuning: what is frozen stays, adapters are exact, the loss counts answers only."""

import csv
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from llm import data, load
from llm.finetuning import (
    QUESTIONS,
    LoRALinear,
    add_lora,
    answer_log_probs,
    answers,
    dpo_loss,
    fine_tune,
    freeze,
    instruction_batch,
    load_lora,
    merge_lora,
    prompt_ids,
    question_batches,
    save_lora,
    story_questions,
    unfreeze,
)
from llm.output import cross_entropy
from llm.pretrained import ASSETS


def trained(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def random_batches(vocab_size=13):
    while True:
        ids = torch.randint(vocab_size, (4, 9))
        yield ids[:, :-1], ids[:, 1:]


def kept(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_patterns_choose_the_names_of_a_shell(tiny):
    model = tiny()
    everything = trained(model)
    names = freeze(model, "embeddings.*", "blocks.0.*_norm.*")
    assert set(names) == {
        n
        for n in everything
        if n.startswith("embeddings.") or "0.a" in n and "norm" in n or "0.ffn_norm" in n
    }
    assert trained(model) == everything - set(names) and len(names) >= 4
    assert unfreeze(model, "*norm*") == [n for n, _ in model.named_parameters() if "norm" in n]
    assert "blocks.0.ffn_norm.weight" in trained(model)
    freeze(model, "*")
    assert not trained(model)


@pytest.mark.parametrize("change", [freeze, unfreeze, add_lora])
def test_a_pattern_that_matches_nothing_is_refused(tiny, change):
    model = tiny()
    before = trained(model)
    with pytest.raises(ValueError, match=r"'block\.\*' matches none of \d+ names"):
        change(model, "*_proj*", "block.*")
    assert trained(model) == before


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_frozen_parameters_are_bit_equal_after_training(tiny, decay):
    model = tiny()
    frozen = set(freeze(model, "embeddings.*", "blocks.0.*"))
    before = kept(model)
    losses = fine_tune(model, random_batches(), 5, weight_decay=decay)
    assert len(losses) == 5 and not model.training
    moved = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == trained(model) and not moved & frozen  # the tied head goes by its first name


def test_freezing_takes_away_an_old_gradient(tiny):
    model = tiny()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    cross_entropy(
        model(torch.ones(1, 3, dtype=torch.long)), torch.ones(1, 3, dtype=torch.long)
    ).backward()
    freeze(model, "*")
    before = kept(model)
    optimizer.step()
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_nothing_to_train_is_refused(tiny):
    model = tiny()
    freeze(model, "*")
    with pytest.raises(ValueError, match="every parameter is frozen"):
        fine_tune(model, random_batches(), 1)


def test_lora_by_hand():
    linear = nn.Linear(2, 2, bias=False)
    linear.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = LoRALinear(linear, rank=1, alpha=2.0)
    layer.A.data, layer.B.data = torch.tensor([[1.0, -1.0]]), torch.tensor([[3.0], [0.5]])
    x = torch.tensor([[2.0, 1.0]])
    assert layer(x).tolist() == [[4.0 + 2 * 3, 10.0 + 2 * 0.5]]
    merged = layer.merged()
    assert type(merged) is nn.Linear
    assert merged.weight.tolist() == [[1 + 6, 2 - 6], [3 + 1, 4 - 1]]
    assert merged(x).tolist() == layer(x).tolist()
    assert linear.weight.tolist() == [[1, 2], [3, 4]]


def test_an_adapter_starts_as_the_layer_and_trains_alone(tiny):
    model, ids = tiny(bias=True), torch.randint(13, (2, 7))
    before, logits = kept(model), model(ids)
    names = add_lora(model, rank=2)
    assert len(names) == 2 * 6 and all(n.endswith("_proj") for n in names)
    assert torch.equal(model(ids), logits)
    assert trained(model) == {f"{n}.{half}" for n in names for half in "AB"}
    fine_tune(model, random_batches(), 5, lr=0.05)
    assert all(torch.equal(model.state_dict()[n], t) for n, t in before.items())
    tuned = model(ids)
    assert (tuned - logits).abs().max() > 0.1
    merge_lora(model)
    torch.testing.assert_close(model(ids), tuned, atol=1e-4, rtol=1e-4)
    assert set(model.state_dict()) == set(before) and trained(model)


def test_the_count_is_rank_times_the_two_sides(tiny):
    model = tiny()
    add_lora(model, "blocks.*.q_proj", rank=3)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * 3 * (16 + 16)


def test_only_adapters_are_saved(tiny, tmp_path):
    model, ids = tiny(), torch.randint(13, (2, 7))
    with pytest.raises(ValueError, match="no adapters"):
        save_lora(tmp_path / "none", model)
    original = kept(model)
    names = add_lora(model, "*.q_proj", "*.down_proj", rank=2, alpha=8)
    fine_tune(model, random_batches(), 3, lr=0.05)
    save_lora(tmp_path / "a.safetensors", model)
    assert set(load_file(tmp_path / "a.safetensors")) == {
        "scale",
        *(f"{n}.{half}" for n in names for half in "AB"),
    }
    again = tiny()
    again.load_state_dict(original)
    load_lora(tmp_path / "a.safetensors", again)
    assert torch.equal(again(ids), model(ids))
    with pytest.raises(ValueError, match="does not have"):
        load_lora(tmp_path / "a.safetensors", tiny(d_model=32))
    with pytest.raises(ValueError, match="adapters already|has adapters"):
        add_lora(model)
    with pytest.raises(ValueError, match="rank=17"):
        add_lora(tiny(), rank=17)


def test_the_mask_by_hand():
    inputs, targets = instruction_batch([([7, 8, 9], [4, 5]), ([3], [6])], pad=1)
    assert inputs.tolist() == [[7, 8, 9, 4], [3, 1, 1, 1]]
    assert targets.tolist() == [[-100, -100, 4, 5], [6, -100, -100, -100]]
    with pytest.raises(ValueError, match="at least one token"):
        instruction_batch([([1], [])])


def test_the_masked_loss_is_the_mean_over_answers(tiny):
    model, pairs = tiny(), [([1, 2, 3], [4, 5]), ([6], [7])]
    inputs, targets = instruction_batch(pairs)
    alone = []
    for prompt, answer in pairs:
        log_probs = model(torch.tensor([[*prompt, *answer]]))[0].log_softmax(-1)
        alone += [-log_probs[len(prompt) - 1 + i, token] for i, token in enumerate(answer)]
    torch.testing.assert_close(cross_entropy(model(inputs), targets), sum(alone) / 3)
    by_row = answer_log_probs(model(inputs), targets)
    torch.testing.assert_close(by_row, torch.stack([-alone[0] - alone[1], -alone[2]]))


def test_questions_are_answered_by_the_story():
    examples = story_questions(200, 5, tuple(QUESTIONS))
    assert examples[:50] == story_questions(50, 5, tuple(QUESTIONS))
    assert {e.kind for e in examples} == set(QUESTIONS)
    assert {e.kind for e in story_questions(90)} == {"owner", "finder"}
    for e in examples:
        assert f" {e.answer}" in e.story and "now?" not in e.story and e.story.endswith(".")
        if e.kind == "finder":
            assert f"{e.answer} found a" in e.story
        if e.kind == "place":
            assert f"in the {e.answer}." in e.story
        if e.kind == "owner":
            told = data.stories(1).told(f"{e.story} {e.question} {e.answer}.")
            assert told[-3].options == {e.answer: 1.0}
        if e.kind == "colour":
            assert f"a {e.answer} {e.question.split()[-1].strip('?')} in the" in e.story


def test_prompts_and_batches_are_put_together_in_order():
    _, tokenizer = load("storyteller")
    e = story_questions(1, seed=2)[0]
    text = tokenizer.decode(prompt_ids(tokenizer, e.story, e.question))
    assert text == f"<|begin|>{e.story}<|question|> {e.question}<|answer|>"
    inputs, targets = next(question_batches(tokenizer, [e], 2))
    assert inputs.shape == targets.shape
    assert tokenizer.decode(targets[0][targets[0] != -100].tolist()) == f" {e.answer}<|end|>"
    first = next(question_batches(tokenizer, story_questions(9), 4, seed=3))
    assert torch.equal(
        first[0], next(question_batches(tokenizer, story_questions(9), 4, seed=3))[0]
    )


def test_answers_take_the_word_after_the_mark():
    model, tokenizer = load("storyteller")
    examples = story_questions(6, seed=3)
    for e, given in zip(examples, answers(model, tokenizer, examples), strict=True):
        ids = torch.tensor([prompt_ids(tokenizer, e.story, e.question)])
        assert given == tokenizer.decode([int(model(ids)[0, -1].argmax())]).strip()


def test_dpo_by_hand():
    chosen, rejected, old_chosen, old_rejected = (
        torch.tensor([n]) for n in (-1.0, -4.0, -2.0, -3.0)
    )
    assert dpo_loss(old_chosen, old_rejected, old_chosen, old_rejected).item() == pytest.approx(
        math.log(2)
    )
    margin = 0.5 * ((-1 + 4) - (-2 + 3))
    expected = -math.log(1 / (1 + math.exp(-margin)))
    assert dpo_loss(chosen, rejected, old_chosen, old_rejected, 0.5).item() == pytest.approx(
        expected
    )
    with pytest.raises(ValueError, match="beta"):
        dpo_loss(chosen, rejected, old_chosen, old_rejected, 0)


def test_dpo_s_gradient_is_that_of_the_paper():
    four = [torch.randn(5, dtype=torch.float64, requires_grad=i < 2) for i in range(4)]
    assert torch.autograd.gradcheck(lambda c, r: dpo_loss(c, r, *four[2:], beta=0.3), four[:2])
    dpo_loss(*four, beta=0.3).backward()
    margin = (four[0] - four[1]) - (four[2] - four[3])
    expected = -0.3 * torch.sigmoid(-0.3 * margin).detach() / 5
    torch.testing.assert_close(four[0].grad, expected)
    torch.testing.assert_close(four[1].grad, -expected)


RESULTS = list(csv.DictReader((ASSETS / "fine_tune.csv").open(encoding="utf-8")))
FIRST, LAST = ({r["way"]: r for r in RESULTS if r["step"] == step} for step in ("0", "200"))


def test_committed_results_say_what_the_chapter_says():
    right = {way: int(row["right"]) for way, row in LAST.items()}
    stories = {way: float(row["stories"]) for way, row in LAST.items()}
    assert set(right) == {"full", "frozen", "mixed", "scratch", "lora", "place"}
    assert all(int(row["right"]) <= 30 for row in FIRST.values())
    assert min(right[way] for way in ("full", "frozen", "mixed", "lora")) >= 90
    assert abs(right["lora"] - right["full"]) <= 3 and right["scratch"] < 75 and right["place"] < 30
    assert int(LAST["lora"]["trained"]) < 0.05 * int(LAST["full"]["trained"])
    assert int(LAST["frozen"]["trained"]) < 0.5 * int(LAST["full"]["trained"])
    before = float(FIRST["full"]["stories"])
    assert before < 0.66 and stories["mixed"] < 0.72
    assert min(stories[way] for way in ("full", "frozen", "lora")) > before + 1


def test_the_committed_adapter_answers_as_its_row_says():
    path = ASSETS / "storyteller.lora.safetensors"
    assert path.stat().st_size < 60_000
    model, tokenizer = load("storyteller")
    load_lora(path, model)
    asked = story_questions(100, seed=99)
    given = answers(model, tokenizer, asked)
    right = sum(a == e.answer for a, e in zip(given, asked, strict=True))
    assert abs(right - int(LAST["lora"]["right"])) <= 1
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == int(LAST["lora"]["trained"]) == 21_888
