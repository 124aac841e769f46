"""From GPT to LLaMA in six switches; what each costs; the two layouts of RoPE; experts.

LLaMA: Touvron et al. (2023). Grouped queries: Ainslie et al. (2023). Experts that a router chooses:
Shazeer et al. (2017), balanced as in Fedus et al. (2022), mixed as in Jiang et al. (2024).
"""

import torch
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layer_block import SwiGLU
from llm.model import Transformer
from llm.scaling import multiply_adds, parameters

SWITCHES: dict[str, dict] = {
    "positions": {"position": "rope"},
    "norm": {"norm": "rmsnorm"},
    "activation": {"ffn": "swiglu"},
    "heads": {},  # n_kv_heads depends on n_heads: see switch()
    "biases": {"bias": False},
    "tying": {"tie_embeddings": False},
}


def switch(config: ModelConfig, *names: str, group: int = 2) -> ModelConfig:
    """``config`` with some of the six :data:`SWITCHES` turned from GPT to LLaMA.

    ``"heads"`` lets ``group`` query heads share a key and value head; as many as there are is
    multi-query attention. Raises ``ValueError`` for an unknown switch and a group that does not
    divide the heads.

    >>> switch(ModelConfig.gpt2(), "positions", "norm").n_params()
    123634176
    """
    changes: dict = {}
    for name in names:
        if name not in SWITCHES:
            raise ValueError(f"no switch {name!r}: choose from {', '.join(SWITCHES)}")
        changes |= SWITCHES[name]
    if "heads" in names:
        if group < 1 or config.n_heads % group:
            raise ValueError(f"group={group} must divide n_heads={config.n_heads}")
        changes["n_kv_heads"] = config.n_heads // group
    return config.replace(**changes)


def param_terms(config: ModelConfig) -> dict[str, int]:
    """The parameters of a model term by term; their sum is ``config.n_params()``."""
    terms = parameters(config.replace(bias=False, qkv_bias=False, norm="rmsnorm"))
    terms["head"] = terms.pop("head")  # to its place in a model, behind the norms
    return terms | {"biases": config.n_params() - sum(terms.values())}


def flops_per_token(config: ModelConfig, context: int) -> int:
    """Multiplications and additions for one more token that sees ``context`` tokens.

    Two for each weight of each matrix, the head's included, and 4·S·H·D a layer for scores and
    mixture. Norms, biases, activations and softmax are left out: they grow with C, not with C².
    """
    return 2 * sum(multiply_adds(config, 1, n_past=context - 1).values())


def rope_order(head_dim: int, layout: str) -> Tensor:
    """Which feature of the other layout stands at each of the ``head_dim`` places of ``layout``.

    >>> rope_order(6, "half").tolist(), rope_order(6, "interleaved").tolist()
    ([0, 2, 4, 1, 3, 5], [0, 3, 1, 4, 2, 5])
    """
    if head_dim % 2 or layout not in ("half", "interleaved"):
        raise ValueError(
            f"head_dim={head_dim} must be even, layout={layout!r} 'half' or 'interleaved'"
        )
    shape = (-1, 2) if layout == "half" else (2, -1)
    return torch.arange(head_dim).view(shape).T.flatten()


def convert_rope(model: Transformer, layout: str) -> Transformer:
    """A copy of ``model`` with the other :attr:`ModelConfig.rope_layout` and the same logits.

    The rows of ``q_proj`` and ``k_proj`` change places within each head, as does what is learned
    about a feature of q and k: biases and the weights of a norm on them. Raises ``ValueError`` for
    a model without rotary positions.
    """
    c = model.config
    if c.position != "rope":
        raise ValueError(f"position={c.position!r}: only a model with position='rope' has a layout")
    copy = Transformer(c.replace(rope_layout=layout)).to(next(model.parameters()))
    state = model.state_dict()
    if layout != c.rope_layout:
        order = rope_order(c.head_dim, layout)
        moved = ("q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias")
        for name in [n for n in state if n.endswith((*moved, "q_norm.weight", "k_norm.weight"))]:
            heads = state[name].unflatten(0, (-1, c.head_dim))  # (H·D, …) -> (H, D, …)
            state[name] = heads[:, order].flatten(0, 1)
    copy.load_state_dict(state)
    return copy.train(model.training)


class MixtureOfExperts(nn.Module):
    """E feed-forward networks of which a router chooses k for each token; ``(…, C)`` to the same.

    The router scores the experts; softmax over the k best scores says how their answers are mixed.
    All experts cost memory, only k cost time. Sources: Shazeer et al. (2017); Jiang et al. (2024).
    """

    def __init__(self, d_model: int, d_ff: int, n_experts: int, top_k: int):
        super().__init__()
        if not 1 <= top_k <= n_experts:
            raise ValueError(f"top_k={top_k} must be from 1 to n_experts={n_experts}")
        self.top_k = top_k
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(SwiGLU(d_model, d_ff) for _ in range(n_experts))

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How the experts are mixed and which they are: shares and numbers, both ``(…, k)``."""
        best, chosen = self.router(x).topk(self.top_k, dim=-1)  # (…, C) -> (…, E) -> (…, k)
        return best.softmax(dim=-1), chosen

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)  # (…, C) -> (N, C)
        shares, chosen = self.route(rows)
        y = torch.zeros_like(rows)
        for e, expert in enumerate(self.experts):
            row, place = (chosen == e).nonzero(as_tuple=True)  # the tokens that chose this one
            y = y.index_add(0, row, shares[row, place, None] * expert(rows[row]))
        return y.view_as(x)

    def load_balance_loss(self, x: Tensor) -> Tensor:
        """E · Σ (share of the choices) · (mean probability): 1 if even, E if one expert has all.

        Fedus et al. (2022), equation 4; divided by k where a token has k choices.
        """
        rows, E = x.flatten(0, -2), len(self.experts)
        chosen = self.route(rows)[1].flatten()
        shares = torch.bincount(chosen, minlength=E) / len(chosen)  # (E,): no gradient
        return E * (shares * self.router(rows).softmax(dim=-1).mean(dim=0)).sum()

    def active_params(self) -> int:
        """The parameters that one token uses: the router and k experts."""
        each = sum(p.numel() for p in self.experts[0].parameters())
        return self.router.weight.numel() + self.top_k * each
