"""Writing text: predict, choose, append, repeat, with and without a KV cache.

Every function takes any model whose forward gives logits ``(B, T, V)`` for token ids ``(B, T)``.
A limit ``max_seq_len`` is read from ``model.config`` where there is one, and the cache is used
where ``forward`` has a ``cache`` argument.
"""

import inspect
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from llm.attention import KVCache
from llm.embeddings import check_batch
from llm.output import repetition_penalty as penalise
from llm.output import sample


def generate(
    model: nn.Module,
    token_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    generator: torch.Generator | None = None,
    stop: Collection[int] = (),
    use_cache: bool = True,
    padding_mask: Tensor | None = None,
) -> Tensor:
    """Continue each prompt: ``token_ids (B, T)`` to ``(B, T + n)``, prompts included.

    n is ``max_new_tokens``, or less when every row has met a ``stop`` token; a row that has ended
    repeats its stop token. Prompts of unequal length are padded on the left, with
    ``padding_mask (B, T)`` True for real tokens. Past ``max_seq_len`` the model sees the last
    ``max_seq_len`` tokens, and the cache is filled again for each new one. Temperature 0 is greedy.
    Dropout is off. Raises ``ValueError`` for an empty prompt, a prompt that ends in padding, and
    settings out of range.
    """
    new = _steps(
        model,
        token_ids,
        max_new_tokens,
        repetition_penalty=repetition_penalty,
        stop=stop,
        use_cache=use_cache,
        padding_mask=padding_mask,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        generator=generator,
    )
    return torch.cat([token_ids, *(drawn[:, None] for drawn in new)], dim=1)


def stream(model: nn.Module, token_ids: Tensor, max_new_tokens: int, **settings) -> Iterator[int]:
    """Yield the new tokens of :func:`generate` for one prompt ``(1, T)`` as they are drawn.

    ``settings`` are those of :func:`generate`, with the same defaults.
    """
    if isinstance(token_ids, Tensor) and token_ids.dim() == 2 and len(token_ids) != 1:
        raise ValueError(f"stream takes one prompt (1, T), got {tuple(token_ids.shape)}")
    return (int(drawn) for drawn in _steps(model, token_ids, max_new_tokens, **settings))


def _steps(
    model,
    token_ids,
    max_new_tokens,
    *,
    repetition_penalty=1.0,
    stop=(),
    use_cache=True,
    padding_mask=None,
    **sampling,
) -> Iterator[Tensor]:
    """Check the request; then yield the next token ``(B,)`` of every row, again and again."""
    check_batch(token_ids)
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must not be negative, got {max_new_tokens}")
    if padding_mask is not None and padding_mask.shape != token_ids.shape:
        raise ValueError(
            f"padding_mask must have the shape of token_ids, {tuple(token_ids.shape)}, "
            f"got {tuple(padding_mask.shape)}"
        )
    if padding_mask is not None and not padding_mask[:, -1].all():
        raise ValueError("a prompt ends in padding: pad on the left (llm.padding_mask does)")
    accepts = inspect.signature(model.forward).parameters
    cache = KVCache() if use_cache and "cache" in accepts else None
    steps = range(max_new_tokens)
    return _draw(model, token_ids, steps, sampling, repetition_penalty, stop, cache, padding_mask)


def _draw(model, token_ids, steps, sampling, penalty, stop, cache, mask) -> Iterator[Tensor]:
    stops = torch.tensor(sorted(stop), dtype=torch.long, device=token_ids.device)
    ended = torch.zeros(len(token_ids), dtype=torch.bool, device=token_ids.device)
    for _ in steps:
        logits = _next_logits(model, token_ids, mask, cache)  # (B, V)
        if penalty != 1.0:
            logits = penalise(logits, token_ids, penalty, seen=mask)
        drawn = torch.where(ended, token_ids[:, -1], sample(logits, **sampling))
        yield drawn
        ended = ended | torch.isin(drawn, stops)
        if ended.all():
            return
        token_ids = torch.cat([token_ids, drawn[:, None]], dim=1)  # (B, T) -> (B, T + 1)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


def _next_logits(model, token_ids: Tensor, mask: Tensor | None, cache: KVCache | None) -> Tensor:
    """Logits ``(B, V)`` after the last token, from the last ``max_seq_len`` tokens."""
    limit = getattr(getattr(model, "config", None), "max_seq_len", token_ids.shape[1])
    if cache is not None and token_ids.shape[1] > limit:
        cache.truncate(0)  # the window moves, so every position changes
    window = token_ids[:, -limit:]
    arguments = {} if mask is None else {"padding_mask": mask[:, -limit:]}
    if cache is not None:
        window = window[:, cache.length :]
        arguments["cache"] = cache
    with torch.no_grad(), evaluating(model):
        return model(window, **arguments)[:, -1]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode (no dropout) inside the block; each module's own mode comes back after it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
