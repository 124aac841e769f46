"""Each catalogued bug of the assignment gets its name and no other; right solutions pass."""

from functools import partial

import pytest
import torch
from planted import assert_named_alone, named, planted
from torch import nn
from torch.nn import functional as F

from llm import checks
from llm.checks import CheckFailed
from llm.checks import finetuning_layer_bugs as layers
from llm.checks import finetuning_rows_bugs as rows
from llm.finetuning import dpo_loss

SEEDS = range(6)
ask_weights = partial(checks.check_ask, by="weights")
loss_weights = partial(checks.check_answer_loss, by="weights")
start_down = partial(checks.check_start, zero="down")
adapt_root = partial(checks.check_adapt, scale="root")
fold_root = partial(checks.check_fold, scale="root")
CATALOGUES = {
    checks.check_ask: rows.ASK_BUGS["ignore"],
    ask_weights: rows.ASK_BUGS["weights"],
    checks.check_answer_loss: rows.ANSWER_LOSS_BUGS["ignore"],
    loss_weights: rows.ANSWER_LOSS_BUGS["weights"],
    checks.check_train_only: layers.TRAIN_ONLY_BUGS,
    checks.check_start: layers.START_BUGS["up"],
    start_down: layers.START_BUGS["down"],
    checks.check_adapt: layers.ADAPT_BUGS["rank"],
    adapt_root: layers.ADAPT_BUGS["root"],
    checks.check_fold: layers.FOLD_BUGS["rank"],
    fold_root: layers.FOLD_BUGS["root"],
    checks.check_room: layers.ROOM_BUGS,
    checks.check_tune: layers.TUNE_BUGS,
    checks.check_tune_but: layers.TUNE_BUT_BUGS,
    checks.check_story_loss: rows.STORY_LOSS_BUGS,
    checks.check_doubtful_dpo_loss: rows.DOUBTFUL_DPO_BUGS,
}
PLANTED = planted(CATALOGUES)


@pytest.mark.parametrize("check, sentence, bug", PLANTED, ids=[s[:40] for _, s, _ in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bug):
    assert_named_alone(check, CATALOGUES[check], sentence, SEEDS)


def test_each_check_has_a_catalogue():
    assert all(len(catalogue) >= 5 for catalogue in CATALOGUES.values())
    assert all(sentence.endswith(".") for _, sentence, _ in PLANTED)


def ask_by_loop(turns):
    inputs, targets = [], []
    for ids, asked in turns:
        inputs += ids
        targets += ids if asked else [-100] * len(ids)
    return inputs[:-1], targets[1:]


def ask_by_whole_weights(turns):
    ids = sum((ids for ids, _ in turns), [])
    asked = sum(([int(asked)] * len(ids) for ids, asked in turns), [])
    return ids[:-1], ids[1:], asked[1:]


def loss_by_torch(logits, targets):
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100)


def loss_by_weights(logits, targets, weights):
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return each @ weights.flatten() / weights.sum()


def train_only_in_two_loops(model, *words):
    for parameter in model.parameters():
        parameter.requires_grad, parameter.grad = False, None
    for name, parameter in model.named_parameters():
        for word in words:
            if word in name:
                parameter.requires_grad = True
    return [p for p in model.parameters() if p.requires_grad]


def start_as_parameters(n_in, n_out, rank, generator):
    down = torch.randn(n_in, rank, generator=generator) / n_in**0.5
    return nn.Parameter(down), nn.Parameter(torch.zeros(rank, n_out))


def start_from_above(n_in, n_out, rank, generator):
    return torch.zeros(n_in, rank), torch.randn(rank, n_out, generator=generator) * n_out**-0.5


def adapt_merged(x, weight, down, up, alpha):
    return F.linear(x, weight + alpha / len(up) * (up.T @ down.T))


def fold_by_rows(weight, down, up, alpha):
    return weight + torch.stack([down @ column for column in up.T]) * alpha / len(up)


def tune_by_the_book(model, parameters, batches, loss, lr):
    optimizer, losses = torch.optim.Adam(parameters, lr), []
    for inputs, *rest in batches:
        value = loss(model(inputs), *rest)
        grads = torch.autograd.grad(value, parameters)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        optimizer.step()
        losses.append(value.item())
    return losses


def tune_but_with_none(model, frozen, batches, loss, lr):
    optimizer = torch.optim.AdamW(model.parameters(), lr, weight_decay=0.1)
    for inputs, *rest in batches:
        optimizer.zero_grad()
        loss(model(inputs), *rest).backward()
        for parameter in frozen:
            parameter.grad = None
        optimizer.step()


def story_loss_with_one_sum(model, ids):
    model.eval()
    total = n = 0
    for row in ids:
        log_probs = model(torch.tensor([row]))[0].log_softmax(-1)
        for t, target in enumerate(row[1:]):
            total, n = total - log_probs[t, target].item(), n + 1
    return total / n


def doubtful_by_two(c, r, old_c, old_r, beta, doubt):
    right, wrong = dpo_loss(c, r, old_c, old_r, beta), dpo_loss(r, c, old_r, old_c, beta)
    return (1 - doubt) * right + doubt * wrong


SOLUTIONS = [
    (checks.check_ask, ask_by_loop),
    (ask_weights, ask_by_whole_weights),
    (checks.check_answer_loss, loss_by_torch),
    (loss_weights, loss_by_weights),
    (checks.check_train_only, train_only_in_two_loops),
    (checks.check_start, start_as_parameters),
    (start_down, start_from_above),
    (checks.check_adapt, adapt_merged),
    (checks.check_fold, fold_by_rows),
    (checks.check_room, lambda w, down, up, scale: w - scale * up.T @ down.T),
    (checks.check_tune, tune_by_the_book),
    (checks.check_tune_but, tune_but_with_none),
    (checks.check_story_loss, story_loss_with_one_sum),
    (checks.check_doubtful_dpo_loss, doubtful_by_two),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed).cases >= 3


OTHERS = [
    (checks.check_ask, ask_by_whole_weights, "it returns weights"),
    (ask_weights, ask_by_loop, "it marks targets with -100"),
    (loss_weights, loss_by_torch, "yours raises TypeError"),
    (checks.check_answer_loss, loss_by_weights, "yours raises TypeError"),
    (start_down, start_as_parameters, "other way round"),
    (checks.check_start, start_from_above, "other way round"),
    (adapt_root, adapt_merged, "in this variant it is alpha over the root"),
    (fold_root, fold_by_rows, "in this variant it is alpha over the root"),
]


@pytest.mark.parametrize("check, solution, says", OTHERS)
def test_a_solution_of_another_variant_fails(check, solution, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(solution, seed=seed)


def tune_keeping_graphs(model, parameters, batches, loss, lr):
    return [loss(model(inputs), *rest) for inputs, *rest in batches]


FOREIGN = [
    (checks.check_ask, lambda turns: ([], []), "should be"),
    (ask_weights, lambda turns: ([], [], []), "should be"),
    (checks.check_answer_loss, lambda logits, targets: logits.mean(), "in place of"),
    (checks.check_train_only, lambda model, *words: [], "gradients left from"),
    (checks.check_start, lambda *a: torch.zeros(2), "not two tensors"),
    (checks.check_start, lambda i, o, r, g: (torch.rand(i, r), torch.zeros(r, o)), "same seed"),
    (checks.check_adapt, lambda x, *rest: x[0], r"yours is a tensor \(3, 6\)"),
    (checks.check_fold, lambda weight, *rest: weight.tanh(), "in place of"),
    (checks.check_tune, tune_keeping_graphs, "append loss.item()"),
    (checks.check_tune, lambda *a: [0.0], "losses of 0.000"),
    (checks.check_story_loss, lambda model, rows: model(torch.tensor([[1]])).sum(), "its graph"),
    (checks.check_story_loss, lambda model, rows: 3.0, "yours is 3.0000"),
    (checks.check_doubtful_dpo_loss, lambda c, *rest: c.mean(), "in place of"),
]


@pytest.mark.parametrize("check, wrong, says", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says) as caught:
            check(wrong, seed=seed)
        assert not named(CATALOGUES[check], str(caught.value))


def test_what_is_no_answer_is_told():
    for check in CATALOGUES:
        with pytest.raises(CheckFailed, match="pass the function itself"):
            check(3)
        if check is not checks.check_tune_but:  # it returns nothing
            with pytest.raises(CheckFailed, match="is the return missing"):
                check(lambda *_: None)


def test_the_words_of_a_check_stand_alone():
    with pytest.raises(CheckFailed, match="^tune: the losses still hold their graphs"):
        checks.check_tune(tune_keeping_graphs)
    with pytest.raises(CheckFailed, match=r"yours is 0.5, not a list of losses"):
        checks.check_tune(lambda *arguments: 0.5)
    with pytest.raises(CheckFailed, match="a change of weight itself; write weight = weight"):
        checks.check_fold(lambda weight, down, up, alpha: weight.add_(1))


def test_a_factor_may_be_drawn_in_its_other_shape():
    def turned(n_in, n_out, rank, generator):
        down = torch.randn(rank, n_in, generator=generator).T / n_in**0.5
        return down, torch.zeros(rank, n_out)

    for seed in SEEDS:
        assert checks.check_start(turned, seed=seed).cases >= 3


def test_all_the_rest_of_a_batch_goes_to_the_loss():
    def two_of_each(model, parameters, batches, loss, lr):
        return layers.tune(model, parameters, [batch[:2] for batch in batches], loss, lr)

    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be losses of"):
            checks.check_tune(two_of_each, seed=seed)


def unwritten(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check", CATALOGUES)
def test_an_answer_that_is_not_written_is_told(check):
    with pytest.raises(CheckFailed, match="not written yet"):
        check(unwritten)
