"""Speculative decoding: a small model guesses a few tokens, the large one judges them in one pass.

The text has exactly the distribution that the large model alone would give it.
Leviathan, Kalman and Matias (2023); Chen et al. (2023).
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from llm.attention import KVCache
from llm.embeddings import check_batch
from llm.generation import evaluating
from llm.model import Transformer
from llm.output import softmax, temperature_scale

Chances = Callable[[tuple[int, ...]], Tensor]  # from a text to the probabilities (V,) behind it


@dataclass(frozen=True)
class Speculated:
    """What :func:`speculative_generate` wrote, and how: ``token_ids (1, T + n)``, prompt included,
    the ``passes`` of the large model, the tokens ``drafted`` by the small one and ``accepted``."""

    token_ids: Tensor
    passes: int
    drafted: int
    accepted: int


def speculative_generate(
    model: Transformer,
    draft: Transformer,
    token_ids: Tensor,
    max_new_tokens: int,
    n_draft: int = 4,
    temperature: float = 1.0,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
) -> Speculated:
    """Continue one prompt ``(1, T)`` as :func:`llm.generate` does, with guesses of ``draft``.

    Each round, ``draft`` writes ``n_draft`` tokens one by one, ``model`` reads them in one pass,
    and :func:`judge` says how many stay; without guesses a round draws one token. Both caches then
    forget what was refused. Temperature 0 gives the greedy text of ``model``. Raises ``ValueError``
    for two vocabularies, for more than one prompt, and for a text longer than either model can see.
    """
    _check(model, draft, token_ids, max_new_tokens, n_draft)
    text, passes, drafted, accepted = token_ids[0].tolist(), 0, 0, 0
    end, caches = len(text) + max_new_tokens, (KVCache(), KVCache())
    with torch.no_grad(), evaluating(model), evaluating(draft):
        while len(text) < end and not (passes and text[-1] in stop):
            guesses, q = [], []
            for _ in range(min(n_draft, end - len(text) - 1)):
                q.append(_chances(_read(draft, text + guesses, caches[1])[-1], temperature))
                guesses.append(_draw(q[-1], generator))
            p = _chances(_read(model, text + guesses, caches[0])[-len(q) - 1 :], temperature)
            new = judge(p, q, guesses, generator)
            passes, drafted, accepted = passes + 1, drafted + len(q), accepted + len(new) - 1
            ends = [i for i, token in enumerate(new, start=1) if token in stop]
            text += new[: ends[0]] if ends else new
            for cache in caches:
                cache.truncate(min(cache.length, len(text) - 1))
    return Speculated(token_ids.new_tensor([text]), passes, drafted, accepted)


def judge(p, q, guesses: list[int], generator: torch.Generator | None = None) -> list[int]:
    """The guesses that stay, and one more token: ``p`` has K + 1 rows ``(V,)``, ``q`` one a guess.

    Guess x stays with probability min(1, p(x) / q(x)). The first that does not is replaced by a
    draw from :func:`rest`, and ends the round; if all stay, the last row of p gives one more.
    """
    for i, x in enumerate(guesses):
        if torch.rand((), generator=generator) * q[i][x] >= p[i][x]:
            return [*guesses[:i], _draw(rest(p[i], q[i]), generator)]
    return [*guesses, _draw(p[len(guesses)], generator)]


def rest(p: Tensor, q: Tensor) -> Tensor:
    """Where p is above q, by how much, scaled to add up to 1: ``(…, V)``; p itself if p = q.

    >>> rest(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.6, 0.2]))
    tensor([1., 0., 0.])
    """
    above = (p - q).clamp(min=0)
    return torch.where((p > q).any(-1, keepdim=True), above / above.sum(-1, keepdim=True), p)


def accept_distribution(p: Tensor, q: Tensor) -> Tensor:
    """The probabilities ``(V,)`` of what one guess ends as, kept or replaced: they are those of p.

    A guess x is made with q(x) and kept with min(1, p(x) / q(x)), which makes min(p(x), q(x)).
    """
    kept = torch.minimum(p, q)
    return kept + (1 - kept.sum()) * rest(p, q)


def round_outcomes(
    p: Chances, q: Chances, n_draft: int, text: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every way a round can end, as ``(new tokens, probability)``, by enumeration: V ** n_draft
    guesses, each of them cut after every length. The same tokens may come up more than once."""
    here, guess = p(text), q(text)
    if n_draft == 0:
        yield from (((x,), float(here[x])) for x in range(len(here)))
        return
    for x in range(len(guess)):
        kept = float(torch.minimum(here[x], guess[x]))
        for new, chance in round_outcomes(p, q, n_draft - 1, (*text, x)):
            yield (x, *new), kept * chance
        for y, chance in enumerate(rest(here, guess).tolist()):
            yield (y,), (float(guess[x]) - kept) * chance


def expected_tokens(acceptance: float, n_draft: int) -> float:
    """Tokens a round, 1 + a + a² + … + a^K, if each of K guesses stays with the same chance a.

    >>> expected_tokens(0.5, 2)
    1.75
    """
    return sum(acceptance**i for i in range(n_draft + 1))


def _read(model: Transformer, text: list[int], cache: KVCache) -> Tensor:
    """Logits ``(new, V)`` of the tokens that the cache does not hold yet."""
    device = next(model.parameters()).device
    return model(torch.tensor([text[cache.length :]], device=device), cache=cache)[0]


def _chances(logits: Tensor, temperature: float) -> Tensor:
    """What :func:`llm.sample` draws from, on the CPU: ``(…, V)``."""
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float().cpu()
    return softmax(temperature_scale(logits.float(), temperature)).cpu()


def _draw(chances: Tensor, generator: torch.Generator | None) -> int:
    return int(torch.multinomial(chances, 1, generator=generator))


def _check(model, draft, token_ids, max_new_tokens, n_draft) -> None:
    check_batch(token_ids)
    sizes = [one.config.vocab_size for one in (model, draft)]
    limit = min(one.config.max_seq_len for one in (model, draft))
    if sizes[0] != sizes[1]:
        raise ValueError(f"model and draft need one vocabulary, got {sizes[0]} and {sizes[1]}")
    if len(token_ids) != 1:
        raise ValueError(f"speculation takes one prompt (1, T), got {tuple(token_ids.shape)}")
    if max_new_tokens < 0 or n_draft < 0:
        raise ValueError(f"{max_new_tokens=}, {n_draft=}: neither may be negative")
    if token_ids.shape[1] + max_new_tokens > limit + 1:
        raise ValueError(
            f"{token_ids.shape[1]} tokens and {max_new_tokens} new ones pass max_seq_len={limit}: "
            "ask for fewer, or use generate(), whose window moves"
        )
