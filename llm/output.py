"""From scores to probabilities, a loss, and the next token.

Top-k: Fan et al. (2018). Top-p (nucleus): Holtzman et al. (2020). Min-p: Nguyen et al. (2024).
Repetition penalty: Keskar et al. (2019).
"""

import math

import torch
from torch import Tensor

from llm.embeddings import check_ids


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """exp(x) / Σ exp(x) along ``dim``, with the greatest entry subtracted first against overflow.

    >>> softmax(torch.tensor([1000.0, 1000.0]))
    tensor([0.5000, 0.5000])
    """
    exponentials = (x - x.amax(dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """The mean of −ln p(target), in nats, over the targets that are not ``ignore_index``.

    ``logits (…, V)`` and integer ``targets (…)``; a scalar. Nothing is shifted here: position t of
    ``targets`` must already hold the token that follows position t. Raises ``ValueError`` for
    shapes that do not fit, targets outside the vocabulary, and when every target is ignored.

    >>> round(cross_entropy(torch.zeros(1, 4), torch.tensor([2])).item(), 4)    # ln 4
    1.3863
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} need targets of shape {tuple(logits.shape[:-1])}, "
            f"got {tuple(targets.shape)}"
        )
    V = logits.shape[-1]
    logits, targets = logits.reshape(-1, V), targets.reshape(-1)  # (…, V) -> (N, V), (…) -> (N,)
    kept = targets != ignore_index
    logits, targets = logits[kept], targets[kept]
    if len(targets) == 0:
        raise ValueError(f"no target to average: every one is ignore_index={ignore_index}")
    check_ids(targets, V, "target", "vocab_size")
    chosen = logits.gather(-1, targets[:, None]).squeeze(-1)  # (N, V) -> (N,)
    return (logits.logsumexp(-1) - chosen).mean()


def perplexity(loss: float | Tensor) -> float:
    """exp(loss) for a mean loss in nats: the number of equally likely choices it amounts to."""
    return math.exp(loss)


def temperature_scale(logits: Tensor, temperature: float) -> Tensor:
    """Logits divided by the temperature: below 1 sharper, above 1 flatter. It must be positive."""
    if not temperature > 0:
        raise ValueError(
            f"temperature must be positive, got {temperature}; 0 (greedy) is an argmax"
        )
    return logits / temperature


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Keep the k greatest logits of each row ``(…, V)``; the others become −inf."""
    if k < 1:
        raise ValueError(f"top_k must be at least 1, got {k}")
    kept = logits.topk(min(k, logits.shape[-1]), dim=-1).indices
    return _keep(logits, torch.zeros_like(logits, dtype=torch.bool).scatter(-1, kept, True))


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest most probable tokens that together reach p, the crossing one included."""
    if not 0 < p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, got {p}")
    if p == 1:
        return logits  # rounding of the sum below must not drop the tail
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = softmax(ordered)
    before = probabilities.cumsum(-1) - probabilities  # the mass of the more probable tokens
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < p)
    return _keep(logits, kept)


def min_p_filter(logits: Tensor, p: float) -> Tensor:
    """Keep the tokens whose probability is at least p times that of the most probable one."""
    if not 0 <= p <= 1:
        raise ValueError(f"min_p must be between 0 and 1, got {p}")
    if p == 0:
        return logits
    return _keep(logits, logits >= logits.amax(-1, keepdim=True) + math.log(p))


def repetition_penalty(
    logits: Tensor, token_ids: Tensor, penalty: float, seen: Tensor | None = None
) -> Tensor:
    """Make the tokens of ``token_ids (B, T)`` less likely: positive logits ``(B, V)`` are divided
    by the penalty, negative ones multiplied. ``seen (B, T)``, False for padding, leaves some out.
    """
    if not penalty > 0:
        raise ValueError(f"repetition_penalty must be positive, got {penalty}; 1 changes nothing")
    counted = torch.ones_like(token_ids) if seen is None else seen
    counts = torch.zeros_like(logits, dtype=torch.long)
    used = counts.scatter_add(-1, token_ids.long(), counted.long()) > 0
    return torch.where(used, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def sample(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one token a row: ``logits (…, V)`` to ids ``(…)``.

    Temperature first, then top-k, top-p and min-p, then a draw on the CPU with ``generator``;
    temperature 0 takes the greatest logit (the lowest id of equals).
    """
    if temperature == 0:
        return logits.argmax(-1)
    logits = temperature_scale(logits, temperature)
    for keep, amount in ((top_k_filter, top_k), (top_p_filter, top_p), (min_p_filter, min_p)):
        if amount is not None:
            logits = keep(logits, amount)
    probabilities = softmax(logits.float()).reshape(-1, logits.shape[-1]).cpu()  # -> (N, V)
    drawn = torch.multinomial(probabilities, 1, generator=generator)
    return drawn.reshape(logits.shape[:-1]).to(logits.device)


def top_predictions(logits: Tensor, k: int = 5, tokenizer=None) -> list[tuple[int | str, float]]:
    """The k most probable next tokens for ``logits (V,)``, as ``(id or text, probability)``."""
    if logits.dim() != 1:
        raise ValueError(f"logits must be (V,), got {tuple(logits.shape)}: take logits[0, -1]")
    probabilities, ids = softmax(logits.float()).topk(min(k, len(logits)))
    names = ids.tolist() if tokenizer is None else [tokenizer.decode([i]) for i in ids.tolist()]
    return list(zip(names, probabilities.tolist(), strict=True))


def _keep(logits: Tensor, kept: Tensor) -> Tensor:
    return logits.masked_fill(~kept, -math.inf)
