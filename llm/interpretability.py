"""Looking inside: what a part says, what it adds, what it attends to, and what it is needed for.

All of it stands on :func:`llm.trace`. Reading: the logit lens (nostalgebraist, 2020), the logit as
a sum over parts (Elhage et al., 2021) and scores of heads (Elhage et al., 2021; Olsson et al.,
2022). Changing: ablation, and patching from one run into another (Vig et al., 2020; Meng et al.,
2022). Probes: Alain and Bengio (2017). A linear memory: Kohonen (1972).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from llm.generation import evaluating
from llm.layer_block import LayerNorm
from llm.probes import trace

Acts = dict[str, Tensor]  # what a trace records
Metric = Callable[[Tensor], Tensor]  # a number from logits (B, T, V)


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
    weights = torch.stack([layer.mean(0) for layer in _weights(model, token_ids)])
    previous = weights.diagonal(-1, dim1=-2, dim2=-1)  # (L, H, T, S) -> (L, H, T - 1)
    # In the second saying, position t repeats t − length; the token after that one is copied.
    induction = weights.diagonal(1 - length, dim1=-2, dim2=-1)[..., 1:]
    return HeadScores(previous.mean(-1).cpu(), induction.mean(-1).cpu())


def text_head_scores(
    model: nn.Module, token_ids: Tensor, where: Tensor | None = None
) -> HeadScores:
    """The same two scores on texts of your own, ``token_ids (B, T)``.

    ``where (B, T)``, boolean, keeps some queries only. ``induction`` is the mean, over queries
    whose token has stood before, of the weight on all tokens that followed it then; NaN if there
    are none.
    """
    earlier = (token_ids[:, :, None] == token_ids[:, None]).tril(-1)  # (B, T, S)
    after = nn.functional.pad(earlier, (1, 0))[..., :-1]
    before = torch.ones_like(after[0]).tril(-1).triu(-1).expand_as(after)
    weights = torch.stack(_weights(model, token_ids), -1)  # (B, H, T, S, L)

    def score(keys: Tensor) -> Tensor:
        on_keys = torch.einsum("bhtsl,bts->btlh", weights, keys.to(weights.dtype))
        return on_keys[keys.any(-1) if where is None else keys.any(-1) & where].mean(0).cpu()

    return HeadScores(score(before), score(after))


def logit_lens(model: nn.Module, acts: Acts) -> dict[str, Tensor]:
    """What the model would say if it ended earlier: logits ``(B, T, V)`` for each sum so far.

    The names are ``embeddings``, then ``blocks.i.residual_mid`` (after attention) and
    ``blocks.i.residual_post``; the last equals the model's own logits.
    """
    halves = [f"blocks.{i}.residual_{h}" for i in range(len(model.blocks)) for h in ("mid", "post")]
    return {name: model.lm_head(model.final_norm(acts[name])) for name in ("embeddings", *halves)}


def head_outputs(model: nn.Module, acts: Acts, layer: int) -> Tensor:
    """What each head of a layer adds to the stream, ``(B, H, T, C)``; the sum lacks the bias."""
    attention = model.blocks[layer].attention
    weights, v = (acts[f"blocks.{layer}.attention.{name}"] for name in ("weights", "v"))
    mixed = weights @ v.repeat_interleave(weights.shape[1] // v.shape[1], dim=1)  # (B, H, T, D)
    own = attention.out_proj.weight.unflatten(1, (weights.shape[1], -1))  # (C, H, D)
    return torch.einsum("bhtd,chd->bhtc", mixed, own)


def attribution(
    model: nn.Module, acts: Acts, word: int | Tensor, versus: int | Tensor | None = None
) -> dict[str, Tensor]:
    """What each part brings to the logit of ``word``, ``(B, T)``; the sum is the logit itself.

    Parts are ``embedding``, heads such as ``2.4``, ``2.ffn``, and a ``bias`` where the model has
    one. With ``versus`` it is the logit's lead over that of another word. The final norm's divisor
    is taken as it is, and ``acts`` come from a run without edits. Word ids are a number or
    broadcast to ``(B, T)``. Raises ``ValueError`` for a post-norm model, whose stream is no sum.
    """
    if model.config.norm_position != "pre":
        raise ValueError("norm_position='post': only a pre-norm stream is a sum of its parts")
    parts = {"embedding": acts["embeddings"]}
    for i in range(len(model.blocks)):
        heads = head_outputs(model, acts, i).unbind(1)
        parts |= {f"{i}.{h}": out for h, out in enumerate(heads)}
        parts[f"{i}.ffn"] = acts[f"blocks.{i}.ffn.output"]
    if model.config.bias:
        parts["bias"] = sum(block.attention.out_proj.bias for block in model.blocks)
    norm, head, stream = model.final_norm, model.lm_head.weight, sum(parts.values())
    direction = head[word] if versus is None else head[word] - head[versus]  # (…, C)
    through, square = direction * norm.weight, stream.pow(2).mean(-1, keepdim=True)
    if isinstance(norm, LayerNorm):  # (x − mean(x)) · a = x · (a − mean(a))
        through = through - through.mean(-1, keepdim=True)
        square = stream.var(-1, correction=0, keepdim=True)
    through = through / (square + norm.eps).sqrt()  # (B, T, C)
    brought = {name: (part * through).sum(-1) for name, part in parts.items()}
    if getattr(norm, "bias", None) is not None:
        brought["bias"] = brought["bias"] + (direction * norm.bias).sum(-1)
    return brought


@contextmanager
def replace_heads(
    model: nn.Module, heads: Sequence[tuple[int, int]], by: Sequence[Tensor] | None = None
) -> Iterator[Acts]:
    """A :func:`llm.trace` in which what some ``(layer, head)`` add is replaced.

    Without ``by`` it is 0 (zero ablation). ``by`` holds for each layer a tensor that broadcasts to
    ``(B, H, T, C)``: :func:`mean_outputs` (mean ablation), or :func:`head_outputs` of another run
    (patching). Raises ``ValueError`` for a head that the model does not have.
    """
    L, H = model.config.n_layers, model.config.n_heads
    if wrong := [h for h in heads if not (0 <= h[0] < L and 0 <= h[1] < H)]:
        raise ValueError(f"no head {wrong[0]}: layers are 0 … {L - 1}, heads 0 … {H - 1}")

    def replaced(layer: int, mine: list[int], output: Tensor) -> Tensor:
        before = head_outputs(model, acts, layer)
        after = torch.zeros_like(before) if by is None else by[layer].expand_as(before)
        return output + (after - before)[:, mine].sum(1)  # (B, H, T, C) -> (B, T, C)

    edits = {
        f"blocks.{i}.attention.output": partial(replaced, i, [h for n, h in heads if n == i])
        for i in {layer for layer, _ in heads}
    }
    with trace(model, edits) as acts:
        yield acts


def mean_outputs(model: nn.Module, token_ids: Tensor, where: Tensor) -> list[Tensor]:
    """For each layer what its heads add on average, ``(H, 1, C)``, over the places ``where``."""
    acts = _read(model, token_ids)
    outputs = (head_outputs(model, acts, i) for i in range(len(model.blocks)))
    return [out.transpose(1, 2)[where].mean(0)[:, None].detach() for out in outputs]


def patch_effects(
    model: nn.Module, clean: Tensor, corrupted: Tensor, metric: Metric, places: Sequence[str]
) -> Tensor:
    """How much of the clean answer comes back when one activation is put into the corrupted run.

    ``clean`` and ``corrupted`` are token ids ``(1, T)`` of equal length; ``metric`` makes a number
    of logits; ``places`` are names of activations ``(1, T, C)``. Returns ``(len(places), T)``, one
    token at a time: 0 where nothing comes back, 1 where all does. Raises ``ValueError`` if the
    texts differ in length, or the metric is the same for both.
    """
    if clean.shape != corrupted.shape:
        raise ValueError(f"pad or reword: {tuple(clean.shape)} tokens, {tuple(corrupted.shape)}")
    acts = _read(model, clean)
    high, low = metric(acts["logits"]), metric(_read(model, corrupted)["logits"])
    if torch.isclose(high, low):
        raise ValueError(f"the metric is {float(high):.4g} for both texts: choose another pair")

    def patched(name: str, t: int) -> float:
        def put(x: Tensor) -> Tensor:
            return torch.cat([x[:, :t], acts[name][:, t : t + 1], x[:, t + 1 :]], dim=1)

        return float((metric(_read(model, corrupted, {name: put})["logits"]) - low) / (high - low))

    return torch.tensor([[patched(name, t) for t in range(clean.shape[1])] for name in places])


def fit_probe(x: Tensor, labels: Tensor, ridge: float = 1.0) -> Callable[[Tensor], Tensor]:
    """A linear probe: guesses ``labels (N,)`` from rows ``x (N, C)``, by least squares to one-hot.

    ``ridge`` holds the weights small. Returns a function from rows to labels.
    """
    mean, size = x.mean(0), x.std(0).clamp(min=1e-6)

    def ready(rows: Tensor) -> Tensor:
        return nn.functional.pad((rows - mean) / size, (0, 1), value=1.0)  # (N, C + 1)

    a, targets = ready(x), nn.functional.one_hot(labels).to(x.dtype)
    weights = torch.linalg.solve(a.T @ a + ridge * torch.eye(a.shape[1]).to(a), a.T @ targets)
    return lambda rows: (ready(rows) @ weights).argmax(-1)


def linear_memory(keys: Tensor, values: Tensor) -> Tensor:
    """Pairs in one matrix: the sum of ``value keyᵀ``; ``(N, K)`` and ``(N, D)`` to ``(D, K)``."""
    return values.T @ keys


def recalled(memory: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Whether ``memory @ key`` is most like the value stored with the key: ``(N,)``, boolean."""
    return (keys @ memory.T @ values.T).argmax(-1) == torch.arange(len(keys), device=keys.device)


def _read(model: nn.Module, token_ids: Tensor, edits: dict | None = None) -> Acts:
    """Every activation, without gradients."""
    with torch.no_grad(), evaluating(model), trace(model, edits) as acts:
        model(token_ids)
    return acts


def _weights(model: nn.Module, token_ids: Tensor) -> list[Tensor]:
    """The attention weights of each layer, ``(B, H, T, S)``."""
    acts = _read(model, token_ids)
    return [acts[f"blocks.{i}.attention.weights"] for i in range(len(model.blocks))]
