"""Looking inside, so far: what the heads of a model attend to.

Previous-token and induction heads: Elhage et al. (2021); Olsson et al. (2022, section "Model
analysis table"), who score heads on a row of random tokens that is repeated.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llm.generation import evaluating
from llm.probes import trace


@dataclass(frozen=True)
class HeadScores:
    """Two scores between 0 and 1 for each head, as tensors ``(n_layers, H)``.

    ``previous`` is the mean weight on the token before the query. ``induction`` is the mean weight
    on the token that followed the same token the time before: what would be copied next.
    """

    previous: Tensor
    induction: Tensor


def head_scores(
    model: nn.Module, length: int = 24, n_rows: int = 32, seed: int = 0, low: int = 0
) -> HeadScores:
    """Score every head on rows of ``length`` random tokens that are said twice.

    Tokens are drawn from ``low … vocab_size − 1``; a row must fit ``max_seq_len``. A head that
    attends evenly scores about 1 / length.
    """
    limit = model.config.max_seq_len
    if not 2 <= length <= limit // 2:
        raise ValueError(
            f"length={length} said twice must fit max_seq_len={limit}: 2 to {limit // 2}"
        )
    generator = torch.Generator().manual_seed(seed)
    half = torch.randint(low, model.config.vocab_size, (n_rows, length), generator=generator)
    token_ids = half.repeat(1, 2).to(next(model.parameters()).device)
    with torch.no_grad(), evaluating(model), trace(model) as acts:
        model(token_ids)
    layers = range(model.config.n_layers)
    weights = torch.stack([acts[f"blocks.{i}.attention.weights"].mean(0) for i in layers])
    previous = weights.diagonal(-1, dim1=-2, dim2=-1)  # (L, H, T, S) -> (L, H, T - 1)
    # In the second saying, position t repeats t − length; the token after that one is copied.
    induction = weights.diagonal(1 - length, dim1=-2, dim2=-1)[..., 1:]
    return HeadScores(previous.mean(-1).cpu(), induction.mean(-1).cpu())
