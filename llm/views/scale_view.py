"""What does a model of this size cost? A calculator from the storyteller to 405 billion parameters.

All numbers are worked out in the page; tests hold them to :mod:`llm.scaling`.
"""

from math import log2

from llm.config import ModelConfig
from llm.pretrained import model_table
from llm.scaling import forward_flops, kv_cache_bytes, parameters, published
from llm.views.attention_view import _table
from llm.views.view import View, strings

FIELDS = "vocab_size max_seq_len d_model n_layers n_heads n_kv_heads head_dim d_ff".split()
SWITCHES = "position norm ffn bias tie_embeddings".split()
TERMS = ("tokens", "positions", "attention", "ffn", "norms", "head")
STEPS, PLACES = (-2, 2), (0, 17)  # powers of two: of width and depth, and of tokens


def shipped() -> dict[str, ModelConfig]:
    """The models between which the reader chooses, smallest first."""
    return {
        "storyteller": ModelConfig(**model_table()["storyteller"]["config"]),
        "GPT-2 small": ModelConfig.gpt2(),
        "LLaMA-7B": ModelConfig.llama_7b(),
        "Llama 2 70B": ModelConfig.llama2_70b(),
        "GPT-3": published("GPT-3"),
        "Llama 3.1 405B": published("Llama 3.1 405B"),
    }


class ScaleView(View):
    """Parameters, operations and memory of a model, by term, for a text of some length.

    ``model`` is one of :func:`shipped`. ``wide`` and ``deep``, from −2 to 2, double or halve its
    width (with its heads and its feed-forward networks) and its depth so many times. ``tokens`` is
    a power of two up to 131,072. Raises ``ValueError`` for anything else.

    >>> ScaleView("GPT-3")
    ScaleView(GPT-3, 174,604,259,328 parameters, 1,024 tokens)
    """

    name = "scale"

    def __init__(
        self,
        model: str = "storyteller",
        *,
        wide: int = 0,
        deep: int = 0,
        tokens: int = 1024,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.models = shipped()
        if model not in self.models:
            raise ValueError(f"no model {model!r}: choose one of {', '.join(self.models)}")
        for name, steps in {"wide": wide, "deep": deep}.items():
            if steps not in range(STEPS[0], STEPS[1] + 1):
                raise ValueError(f"{name}={steps!r} must be a whole number from −2 to 2")
        if tokens not in [2**place for place in range(PLACES[0], PLACES[1] + 1)]:
            raise ValueError(f"tokens={tokens!r} must be a power of two up to {2 ** PLACES[1]:,}")
        self.state = {"model": model, "wide": wide, "deep": deep, "tokens": tokens}
        self.config = resized(self.models[model], wide, deep, tokens)

    def __repr__(self) -> str:
        n, tokens = self.config.n_params(), self.state["tokens"]
        return f"ScaleView({self.state['model']}, {n:,} parameters, {tokens:,} tokens)"

    def payload(self, inline: bool = True) -> dict:
        """The sizes of all models, and what is looked at."""
        models = [
            {"name": name} | {field: getattr(c, field) for field in (*FIELDS, *SWITCHES)}
            for name, c in self.models.items()
        ]
        start = self.state | {"place": int(log2(self.state["tokens"]))}
        return {"models": models, "steps": STEPS, "places": PLACES, "start": start}

    def rows(self) -> list[tuple[str, str, int]]:
        """Part, term and number: parameters, operations a token, bytes."""
        c, T = self.config, self.state["tokens"]
        n, flops = c.n_params(), forward_flops(c, T)
        rows = [("parameters", term, parameters(c)[term]) for term in TERMS]
        rows += [("operations", term, count // T) for term, count in flops.items()]
        memory = {"run": 2 * n, "cache": kv_cache_bytes(c, T), "train": 16 * n}
        return rows + [("memory", term, size) for term, size in memory.items()]

    def describe(self) -> str:
        """All numbers as text."""
        words = strings(self.name)
        lines = [f"{words[f'term_{part}_{term}']:<46} {n:>22,}" for part, term, n in self.rows()]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        body = [
            (words[f"part_{part}"], words[f"term_{part}_{term}"], f"{number:,}")
            for part, term, number in self.rows()
        ]
        titles = tuple(words[f"column_{name}"] for name in ("part", "term", "number"))
        question = f'<p class="llm-question">{words["question"]}</p>'
        return question + _table(repr(self), titles, body)

    def figure(self):
        """How the share of the scores grows with the text."""
        from llm.plots import curves

        lengths = [2**place for place in range(5, PLACES[1] + 1)]
        shares = []
        for T in lengths:
            flops = forward_flops(resized(self.config, 0, 0, T), T)
            shares.append(flops["scores"] / sum(flops.values()))
        line = {self.state["model"]: (lengths, shares)}
        return curves(line, "tokens in the text", "share of the scores in the work", log="x")


def resized(config: ModelConfig, wide: int, deep: int, tokens: int) -> ModelConfig:
    """A config so many times twice as wide and as deep, with places for the text."""
    width = {name: int(getattr(config, name) * 2.0**wide) for name in ("d_model", "d_ff")}
    heads = {n: max(1, int(getattr(config, n) * 2.0**wide)) for n in ("n_heads", "n_kv_heads")}
    layers = max(1, int(config.n_layers * 2.0**deep))
    places = max(config.max_seq_len, tokens)
    sizes = {"n_layers": layers, "max_seq_len": places, "head_dim": config.head_dim}
    return config.replace(**width, **heads, **sizes)
