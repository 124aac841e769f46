"""The functions of the Fine-tuning assignment that say what is asked for, right and wrong.

Rows of a conversation in two conventions, the mean loss of what is asked for, the loss on stories
and a loss of preferences that allows for raters who err. The dictionaries hold the bugs: a
sentence, and a function that has the bug.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import exp

import torch
from torch import Tensor, nn

IGNORE = -100
_cross_entropy, _logsigmoid = nn.functional.cross_entropy, nn.functional.logsigmoid
_Turns = Sequence[tuple[list[int], bool]]
_no_grad = torch.no_grad


def _flat(turns: _Turns) -> tuple[list[int], list[bool]]:
    ids = [i for turn, _ in turns for i in turn]
    return ids, [asked for turn, asked in turns for _ in turn]


def _next(turns: _Turns) -> tuple[list[int], list[int], list[bool]]:
    ids, asked = _flat(turns)
    return ids[:-1], ids[1:], asked[1:]


def _same_place(turns):
    ids, asked = _flat(turns)
    return ids[:-1], ids[1:], asked[:-1]


def _not_shifted(turns):
    ids, asked = _flat(turns)
    return ids[:-1], ids[:-1], asked[:-1]


def _reversed(turns):
    return _next([(ids, not asked) for ids, asked in turns])


def _all_asked(turns):
    return _next([(ids, True) for ids, _ in turns])


def _one_turn(turns, which):
    asked = [number for number, turn in enumerate(turns) if turn[1]]
    return _next([(ids, number == asked[which]) for number, (ids, _) in enumerate(turns)])


def _first_spared(turns):
    ids, asked = _flat(turns)
    starts = [False] + [now and not old for old, now in zip(asked, asked[1:], strict=False)]
    kept = [now and not start for now, start in zip(asked, starts, strict=True)]
    return ids[:-1], ids[1:], kept[1:]


def _not_cut(turns):
    ids, asked = _flat(turns)
    return ids, ids, asked


def _only_asked(turns):
    inputs, targets, asked = _next(turns)
    kept = [target for target, counts in zip(targets, asked, strict=True) if counts]
    return inputs, kept, [True] * len(kept)


def _after_first(turns):
    first = [asked for _, asked in turns].index(True)
    return _next([(ids, number >= first) for number, (ids, _) in enumerate(turns)])


def _turn_by_turn(turns):
    parts = [_next([turn]) for turn in turns]
    return tuple([sum([list(part[i]) for part in parts], []) for i in range(3)])


def _last_input_kept(turns):
    inputs, targets, asked = _next(turns)
    return [*inputs, targets[-1]], targets, asked


PLACES = {
    "whether a place counts is taken from the token that stands there; what counts is the token "
    "that comes after it.": _same_place,
    "the targets are not shifted; each place is asked for the token that comes after it.": (
        _not_shifted
    ),
    "the told turns are asked for and the asked ones left out; it is the other way round.": (
        _reversed
    ),
    "every token is asked for; the turns that are only told have to be left out.": _all_asked,
    "only the last asked turn counts; every asked turn does.": partial(_one_turn, which=-1),
    "only the first asked turn counts; every asked turn does.": partial(_one_turn, which=0),
    "the first token of each asked turn is left out; the place before it has to predict it.": (
        _first_spared
    ),
    "the last token stays in the inputs, and the targets are not shifted.": _not_cut,
    "the inputs keep their last token, behind which nothing is asked; they are one too long.": (
        _last_input_kept
    ),
    "all that comes after the first answer's start counts; a later told turn does not.": (
        _after_first
    ),
    "each turn is shifted by itself; in one row its last token predicts the next turn's first.": (
        _turn_by_turn
    ),
    "the places that do not count are gone from the targets; all lists have the same length.": (
        _only_asked
    ),
}


def by_ignore(inputs, targets, asked, sign=IGNORE):
    pairs = zip(targets, asked, strict=True)
    return inputs, [target if counts else sign for target, counts in pairs]


def by_weights(inputs, targets, asked):
    return inputs, targets, [float(counts) for counts in asked]


def ask(turns: _Turns, form: Callable = by_ignore, places: Callable = _next) -> tuple:
    return form(*places(turns))


def _in_both(turns):
    inputs, targets, asked = _next(turns)
    return inputs, by_ignore(inputs, targets, asked)[1], by_weights(inputs, targets, asked)[2]


ASK_BUGS = {
    "ignore": {
        **{sentence: partial(ask, places=places) for sentence, places in PLACES.items()},
        "the mark is 0, which is a token; cross_entropy leaves out -100.": partial(
            ask, form=partial(by_ignore, sign=0)
        ),
        "the mark is -1; cross_entropy leaves out -100.": partial(
            ask, form=partial(by_ignore, sign=-1)
        ),
        "it returns weights; in this variant the targets themselves say -100 where nothing is "
        "asked.": partial(ask, form=by_weights),
    },
    "weights": {
        **{
            sentence: partial(ask, form=by_weights, places=places)
            for sentence, places in PLACES.items()
        },
        "it marks targets with -100; in this variant targets stay whole and weights of 1 and 0 "
        "say what counts.": ask,
        "the weights are right, but the targets are overwritten as well; leave them whole.": (
            _in_both
        ),
    },
}


def _nll(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]


def _weighted(last: Callable, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return last(_nll(logits, targets), weights)


def _marked(last: Callable, logits: Tensor, targets: Tensor) -> Tensor:
    return last(_nll(logits, targets), (targets != IGNORE).float())


def _mean(nll: Tensor, weights: Tensor) -> Tensor:
    return (nll * weights).sum() / weights.sum()


def _mean_of_rows(nll, weights):
    return ((nll * weights).sum(-1) / weights.sum(-1)).mean()


_ENDS = {
    "the sum is divided by all places; divide by the number of those that count.": (
        lambda nll, w: (nll * w).mean()
    ),
    "each row is averaged first, so that a short answer counts as much as a long one; average "
    "over all places that count, once.": _mean_of_rows,
    "every place counts, the prompt's too.": lambda nll, w: nll.mean(),
    "the sum is taken; take the mean over the places that count.": lambda nll, w: (nll * w).sum(),
    "the sum is divided by the rows; divide by the places that count.": (
        lambda nll, w: (nll * w).sum() / len(w)
    ),
    "the minus is missing, so training would make the answers less likely.": (
        lambda nll, w: -_mean(nll, w)
    ),
    "the log is missing.": lambda nll, w: -_mean(torch.exp(-nll), w),
    "it counts in bits; take the natural logarithm.": (
        lambda nll, w: _mean(nll, w) / torch.tensor(2.0).log()
    ),
    "the places that should not count are the ones that do.": lambda nll, w: _mean(nll, 1 - w),
    "one loss a place is returned; take their mean.": lambda nll, w: nll * w,
}

answer_loss = {"ignore": partial(_marked, _mean), "weights": partial(_weighted, _mean)}


def _early_bugs(loss: Callable) -> dict[str, Callable]:
    """Bugs in what a right loss is handed."""
    return {
        "the targets are shifted once more; ask has shifted them already.": (
            lambda logits, *rest: loss(logits[:, :-1], *[one[:, 1:] for one in rest])
        ),
        "the softmax is taken twice; log_softmax and cross_entropy take logits.": (
            lambda logits, *rest: loss(logits.softmax(-1), *rest)
        ),
    }


ANSWER_LOSS_BUGS = {
    "ignore": {sentence: partial(_marked, end) for sentence, end in _ENDS.items()}
    | _early_bugs(answer_loss["ignore"]),
    "weights": {sentence: partial(_weighted, end) for sentence, end in _ENDS.items()}
    | _early_bugs(answer_loss["weights"]),
}


def story_loss(
    model: nn.Module,
    rows: Sequence[list[int]],
    *,
    start: Callable = nn.Module.eval,
    row: Callable = lambda nll: (nll.sum(), len(nll)),
    last: Callable = lambda total, n, rows: total / n,
    shift: int = 1,
) -> float:
    start(model)
    with _no_grad():
        parts = [row(_row_nll(model, ids, shift)) for ids in rows]
    total, n = (sum(part[i] for part in parts) for i in (0, 1))
    return float(last(total, n, len(rows)))


def _row_nll(model: nn.Module, ids: list[int], shift: int) -> Tensor:
    token_ids = torch.tensor([ids])
    end = len(ids) - shift
    return _cross_entropy(model(token_ids)[0, :end], token_ids[0, shift:], reduction="none")


_story = partial(partial, story_loss)

STORY_LOSS_BUGS = {
    "the stories' means are averaged, so that a short story counts as much as a long one; divide "
    "the sum over all tokens by their number.": _story(row=lambda nll: (nll.mean(), 1)),
    "the model is left in training mode, where dropout speaks too; call model.eval().": _story(
        start=nn.Module.train
    ),
    "the targets are not shifted; each place predicts the token that comes after it.": _story(
        shift=0
    ),
    "the targets are shifted twice.": _story(shift=2),
    "short rows are filled up, and what fills them is counted; it is no token of a story.": (
        lambda model, rows: story_loss(
            model, [[*row, *[0] * (max(map(len, rows)) - len(row))] for row in rows]
        )
    ),
    "the stories stand in one row, so each predicts the first token of the next.": (
        lambda model, rows: story_loss(model, [sum(rows, [])])
    ),
    "the sum is returned; divide it by the number of tokens that are predicted.": _story(
        last=lambda total, n, rows: total
    ),
    "it is the loss of a story; divide by the number of tokens, not of stories.": _story(
        last=lambda total, n, rows: total / rows
    ),
    "the first token of each story is counted, which nothing predicts.": _story(
        last=lambda total, n, rows: total / (n + rows)
    ),
    "it is a perplexity; leave out the exp.": _story(last=lambda total, n, rows: exp(total / n)),
    "it counts in bits; take the natural logarithm.": _story(
        last=lambda total, n, rows: total / n / torch.tensor(2.0).log()
    ),
}


def doubtful_dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    old_chosen: Tensor,
    old_rejected: Tensor,
    beta: float,
    doubt: float,
    *,
    margin: Callable = lambda new, old: new - old,
    scale: Callable = lambda beta, margin: beta * margin,
    parts: Callable = lambda doubt: (1 - doubt, doubt),
    last: Callable = lambda loss: loss.mean(),
) -> Tensor:
    z = scale(beta, margin(chosen - rejected, old_chosen - old_rejected))
    right, wrong = parts(doubt)
    return last(-right * _logsigmoid(z) - wrong * _logsigmoid(-z))


_doubtful = partial(partial, doubtful_dpo_loss)

DOUBTFUL_DPO_BUGS = {
    "the doubt is not used; a share of the pairs is the wrong way round.": _doubtful(
        parts=lambda doubt: (1, 0)
    ),
    "the margin has the wrong sign, or the doubt is given to the pairs that are right.": _doubtful(
        parts=lambda doubt: (doubt, 1 - doubt)
    ),
    "the pairs that are right count fully; they are only 1 - doubt of all.": _doubtful(
        parts=lambda doubt: (1, doubt)
    ),
    "the doubt is taken off the margin, inside the sigmoid; average two losses instead.": (
        lambda c, r, oc, orj, beta, doubt: (
            -_logsigmoid((1 - 2 * doubt) * beta * (c - r - oc + orj)).mean()
        )
    ),
    "the new answers alone are swapped for the wrong pairs; the old ones change places as well.": (
        lambda c, r, oc, orj, beta, doubt: (
            -(
                (1 - doubt) * _logsigmoid(beta * (c - r - oc + orj))
                + doubt * _logsigmoid(beta * (r - c - oc + orj))
            ).mean()
        )
    ),
    "the two losses are taken apart; both are added.": _doubtful(
        parts=lambda doubt: (1 - doubt, -doubt)
    ),
    "the old model is not used; the margin is taken against what it preferred.": _doubtful(
        margin=lambda new, old: new
    ),
    "the old model's margin is added; take it away.": _doubtful(margin=lambda new, old: new + old),
    "beta is missing.": _doubtful(scale=lambda beta, z: z),
    "beta divides; it multiplies the margin.": _doubtful(scale=lambda beta, z: z / beta),
    "the minus is missing, so the loss rewards the rejected answers.": _doubtful(
        last=lambda loss: -loss.mean()
    ),
    "the sum is taken; take the mean over the pairs.": _doubtful(last=lambda loss: loss.sum()),
    "one loss a pair is returned; take their mean.": _doubtful(last=lambda loss: loss),
}
