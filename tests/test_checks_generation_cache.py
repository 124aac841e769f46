"""Each catalogued bug of the assignment gets its name and no other; right solutions pass."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from planted import assert_named_alone

from llm import KVCache, causal_mask, checks, generate, padding_mask, speculative
from llm.checks import CheckFailed
from llm.checks import generation_cache_bugs as known
from llm.checks.generation_cache import _Draw, _Guess

SEEDS = range(6)
LAYOUTS = {"BHSD": 2, "BSHD": 1}
CATALOGUES = [  # a check, what its variant adds, its bugs
    (checks.check_visible, {}, known.VISIBLE_BUGS),
    (checks.check_positions, {}, known.POSITIONS_BUGS),
    (checks.check_judge, {}, known.JUDGE_BUGS),
    (checks.check_go_on, {}, known.GO_ON_BUGS),
    (checks.check_speculate, {}, known.SPECULATE_BUGS),
    (checks.check_chat, {}, known.CHAT_BUGS),
]
for name, axis in LAYOUTS.items():
    chosen = {"layout": name}
    CATALOGUES += [
        (checks.check_update, chosen, known.update_bugs(axis)),
        (checks.check_truncate, chosen, known.truncate_bugs(axis)),
        (checks.check_cached_attention, chosen, known.cached_attention_bugs(axis)),
    ]
for keep in (True, False):
    CATALOGUES += [(checks.check_write_on, {"keep_stop": keep}, known.write_on_bugs(keep))]
for side in ("left", "right"):
    CATALOGUES += [(checks.check_pad_rows, {"side": side}, known.pad_rows_bugs(side))]
PLANTED = [
    (check, chosen, catalogue, sentence)
    for check, chosen, catalogue in CATALOGUES
    for sentence in catalogue
]


@pytest.mark.parametrize(
    "check, chosen, catalogue, sentence",
    PLANTED,
    ids=[f"{c.__name__[6:]}-{'-'.join(map(str, v.values()))}-{s[:30]}" for c, v, _, s in PLANTED],
)
def test_each_bug_gets_its_name_and_no_other(check, chosen, catalogue, sentence):
    assert_named_alone(check, catalogue, sentence, SEEDS, **chosen)


def test_the_catalogue_is_large():
    assert len(PLANTED) >= 120
    assert all(len(sentence) < 100 and sentence.endswith(".") for *_, sentence in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def update_by_lists(cache, layer, k, v, axis=2):
    old = cache.get(layer, (k[:0], v[:0]))
    parts = [[t for t in pair if len(t)] for pair in zip(old, (k, v), strict=True)]
    cache[layer] = torch.cat(parts[0], dim=axis), torch.cat(parts[1], dim=axis)
    return cache[layer]


def truncate_by_narrow(cache, n, axis=2):
    for layer, pair in cache.items():
        cache[layer] = tuple(t.narrow(axis, 0, n) for t in pair)
    return cache


def visible_by_the_book(n_new, real):
    return real[:, None] & causal_mask(n_new, real.shape[1])


def positions_without_clamp(real, n_new):
    return (real.cumsum(1) - 1)[:, -n_new:]


def attention_by_hand(part, x, where, mask, remember, axis=2):
    B, T, _ = x.shape
    q, k, v = (p(x).view(B, T, part.n_heads, -1) for p in (part.q_proj, part.k_proj, part.v_proj))
    q, k = part.rope(q, where[..., None]), part.rope(k, where[..., None])
    if axis == 2:
        k, v = remember(k.transpose(1, 2), v.transpose(1, 2))
    else:
        k, v = (t.transpose(1, 2) for t in remember(k, v))
    scores = q.transpose(1, 2) @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1).nan_to_num()
    return part.out_proj((weights @ v).transpose(1, 2).reshape(B, T, -1))


def write_by_counting(read, ids, n, limit, stop, keep_stop=True):
    text, logits = list(ids), None
    for i in range(n):
        if i == 0 or len(text) > limit:
            logits = read(text[-limit:], 0)
        else:
            logits = read(text[-1:], len(text) - 1)
        token = max(range(logits.shape[1]), key=logits[-1].tolist().__getitem__)
        if token == stop:
            return [*text, token] if keep_stop else text
        text.append(token)
    return text


def pad_by_the_book(rows, pad, side="left"):
    real = padding_mask([len(row) for row in rows], side=side)
    ids = torch.full(real.shape, pad)
    ids[real] = torch.tensor(sum(rows, []))
    return ids, real


def judge_by_ratio(p, q, guesses, dice):
    for i, x in enumerate(guesses):
        if dice[i] > p[i, x] / q[i, x]:
            return i, speculative.rest(p[i], q[i])
    return len(guesses), p[len(guesses)]


def go_on_by_the_book(model, ids, n):
    return generate(model, torch.tensor([ids]), n, temperature=0)[0].tolist()


def greedy(model, guess, ids, n):
    return generate(model, torch.tensor([ids]), n, temperature=0)[0].tolist()


def chat_without_a_cache(model, turns, n, stop):
    text = []
    for turn in turns:
        text = generate(model, torch.tensor([text + turn]), n, temperature=0, stop=[stop])
        text = text[0].tolist()
    return text


SOLUTIONS = [
    (checks.check_visible, {}, visible_by_the_book),
    (checks.check_positions, {}, positions_without_clamp),
    (checks.check_judge, {}, judge_by_ratio),
    (checks.check_go_on, {}, go_on_by_the_book),
    (checks.check_visible, {}, known.visible),
    (checks.check_positions, {}, known.positions),
    (checks.check_judge, {}, known.judge),
    (checks.check_go_on, {}, known.go_on),
    (checks.check_speculate, {}, known.speculate),
    (checks.check_chat, {}, known.chat),
]
for name, axis in LAYOUTS.items():
    SOLUTIONS += [
        (checks.check_update, {"layout": name}, partial(update_by_lists, axis=axis)),
        (checks.check_truncate, {"layout": name}, partial(truncate_by_narrow, axis=axis)),
        (checks.check_cached_attention, {"layout": name}, partial(attention_by_hand, axis=axis)),
    ]
for keep in (True, False):
    written = partial(write_by_counting, keep_stop=keep)
    SOLUTIONS += [(checks.check_write_on, {"keep_stop": keep}, written)]
for side in ("left", "right"):
    SOLUTIONS += [(checks.check_pad_rows, {"side": side}, partial(pad_by_the_book, side=side))]


@pytest.mark.parametrize("check, chosen, solution", SOLUTIONS)
def test_right_solutions_pass(check, chosen, solution):
    for seed in SEEDS:
        assert check(solution, seed=seed, **chosen).cases >= 2
    name = check.__name__.removeprefix("check_")
    assert repr(check(solution, **chosen)).startswith(f"✓ {name} is correct in all")


def test_the_reference_of_cached_attention_is_that_of_the_book():
    draw = _Draw(3)
    part, x = draw.part(3, 8), draw.normal(2, 6, 24)
    real = torch.ones(2, 6, dtype=torch.bool)
    real[0, :2] = False
    where, cache = known.positions(real, 6), KVCache()
    mine = known.cached_attention(
        part, x, where, known.visible(6, real), lambda k, v: cache.update(0, k, v)
    )
    torch.testing.assert_close(mine, part(x, mask=real[:, None, None], positions=where))


FOREIGN = [
    (checks.check_update, lambda cache, layer, k, v: (2 * k, v)),
    (checks.check_visible, lambda n_new, real: real[:, None].expand(-1, n_new, -1) & False),
    (checks.check_positions, lambda real, n_new: torch.full((len(real), n_new), 5)),
    (
        checks.check_cached_attention,
        lambda part, x, w, m, remember: (
            0 * x
            + remember(*2 * [F.pad(x, (0, 0)).unflatten(-1, (part.n_heads, -1)).transpose(1, 2)])[
                0
            ].sum()
        ),
    ),
    (checks.check_write_on, lambda read, ids, n, limit, stop: [*ids, 0, 0]),
    (checks.check_pad_rows, lambda rows, pad: (torch.zeros(3, 9), torch.zeros(3, 9))),
    (checks.check_judge, lambda p, q, guesses, dice: (0, q[0] * 0 + 1)),
    (checks.check_go_on, lambda model, ids, n: [*ids, *n * [7]]),
    (checks.check_speculate, lambda model, guess, ids, n: [*ids, *n * [0]]),
    (checks.check_chat, lambda model, turns, n, stop: sum(turns, [])),
]


@pytest.mark.parametrize("check, wrong", FOREIGN)
def test_a_wrong_answer_outside_the_catalogue_is_refused(check, wrong):
    catalogue = next(bugs for other, _, bugs in CATALOGUES if other is check)
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match="should be") as caught:
            check(wrong, seed=seed)
        assert not [s for s in catalogue if s in str(caught.value)]


def test_what_was_read_is_told():
    def wasteful(read, ids, n, limit, stop):
        return [*ids, int(read(ids, 0)[-1].argmax()), int(read(ids, 0)[-1].argmax())]

    with pytest.raises(CheckFailed, match=r"yours is the text \["):
        checks.check_write_on(wasteful)
    with pytest.raises(CheckFailed, match="cannot keep 9 tokens, 0 have been read"):
        checks.check_write_on(lambda read, ids, n, limit, stop: read(ids, 9))
    with pytest.raises(CheckFailed, match="read got no token"):
        checks.check_write_on(lambda read, ids, n, limit, stop: read([], 0))
    with pytest.raises(CheckFailed, match="is the return missing"):
        checks.check_judge(lambda p, q, guesses, dice: None)
    with pytest.raises(CheckFailed, match="not a pair"):
        checks.check_pad_rows(lambda rows, pad: 3)
    with pytest.raises(ValueError, match="layout must be one of BHSD, BSHD, got 'BDSH'"):
        checks.check_update(known.update, layout="BDSH")


def test_prompts_that_were_changed_are_told():
    def grows(rows, pad):
        for row in rows:
            row[:0] = [pad] * (7 - len(row))
        return torch.tensor(rows), torch.tensor(rows) > 0

    def takes(read, ids, n, limit, stop):
        return [ids.pop()]

    with pytest.raises(CheckFailed, match=r"yours is rows changed to \[\[.*; work on a copy"):
        checks.check_pad_rows(grows)
    with pytest.raises(CheckFailed, match=r"yours is the list ids changed to \["):
        checks.check_write_on(takes)
    with pytest.raises(CheckFailed, match=r"\(\) of torch.int64 in place of \d, no tensor"):
        checks.check_judge(lambda p, q, guesses, dice: (torch.tensor(0), p[0]))


def go_on_without_a_cache(model, ids, n):
    return generate(model, torch.tensor([ids]), n, temperature=0, use_cache=False)[0].tolist()


WASTEFUL = [
    (checks.check_go_on, go_on_without_a_cache, r"yours is right, but reads \d+ tokens"),
    (checks.check_speculate, greedy, "yours is right, but takes 9 passes for 9 tokens"),
    (checks.check_chat, chat_without_a_cache, r"tokens for a text of \d+; read each once"),
]


@pytest.mark.parametrize("check, wasteful, says", WASTEFUL)
def test_a_right_text_that_took_too_much_reading_is_told(check, wasteful, says):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=says):
            check(wasteful, seed=seed)


def test_guesses_go_on_where_the_text_ends():
    assert _Guess([1, 2, 3, 4, 5])([1, 2, 3]) == [4, 5]
