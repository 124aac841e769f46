"""The shape of a model: a frozen dataclass, its presets, and other projects' names for its fields.

Follows the configurations published with GPT-2 (Radford et al., 2019) and LLaMA (Touvron et al.,
2023). Nothing here needs torch.
"""

from dataclasses import asdict, dataclass, field

CHOICES = {
    "position": ("none", "sinusoidal", "learned", "rope", "alibi", "relative"),
    "norm": ("layernorm", "rmsnorm"),
    "norm_position": ("pre", "post"),
    "ffn": ("relu", "gelu", "gelu_tanh", "swiglu"),
    "rope_layout": ("half", "interleaved"),
}
RELATIVE_BUCKETS = 32

GPT_STYLE = {"position": "learned", "norm": "layernorm", "ffn": "gelu_tanh", "bias": True}
LLAMA_STYLE = {
    "position": "rope",
    "norm": "rmsnorm",
    "ffn": "swiglu",
    "bias": False,
    "tie_embeddings": False,
}
PRESETS = {
    "gpt2": GPT_STYLE
    | {"vocab_size": 50257, "max_seq_len": 1024, "d_model": 768, "n_layers": 12, "n_heads": 12},
    "simple_llm": {
        "vocab_size": 50257,
        "max_seq_len": 1024,
        "d_model": 768,
        "n_layers": 12,
        "n_heads": 12,
        "dropout": 0.1,
        "position": "sinusoidal",
        "scale_embeddings": True,
    },
    "llama_tiny": LLAMA_STYLE
    | {"vocab_size": 8, "max_seq_len": 64, "d_model": 32, "n_layers": 2, "n_heads": 4}
    | {"n_kv_heads": 2},
    "llama_7b": LLAMA_STYLE
    | {"vocab_size": 32000, "max_seq_len": 2048, "d_model": 4096, "n_layers": 32, "n_heads": 32}
    | {"d_ff": 11008, "norm_eps": 1e-6},
    "llama2_7b": LLAMA_STYLE
    | {"vocab_size": 32000, "max_seq_len": 4096, "d_model": 4096, "n_layers": 32, "n_heads": 32}
    | {"d_ff": 11008},
    "llama2_70b": LLAMA_STYLE
    | {"vocab_size": 32000, "max_seq_len": 4096, "d_model": 8192, "n_layers": 80, "n_heads": 64}
    | {"d_ff": 28672, "n_kv_heads": 8},
}

# Our name: the names that other projects give it.
OTHER_NAMES = {
    "vocab_size": ("n_vocab", "padded_vocab_size"),
    "max_seq_len": ("block_size", "n_positions", "n_ctx", "context_length", "sequence_len")
    + ("max_position_embeddings",),
    "d_model": ("n_embd", "embed_dim", "emb_dim", "hidden_size", "dim"),
    "n_layers": ("n_layer", "num_layers", "num_hidden_layers"),
    "n_heads": ("n_head", "num_heads", "num_attention_heads"),
    "n_kv_heads": ("n_kv_head", "num_kv_groups", "num_key_value_heads"),
    "head_dim": ("d_head", "head_size"),
    "d_ff": ("n_inner", "hidden_dim", "intermediate_size"),
    "dropout": ("drop_rate", "resid_pdrop"),
    "attention_dropout": ("attn_pdrop",),
    "norm_eps": ("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps"),
    "rope_theta": ("rope_base",),
    "tie_embeddings": ("tie_word_embeddings",),
}
_OURS = {other: ours for ours, others in OTHER_NAMES.items() for other in others}


@dataclass(frozen=True)
class ModelConfig:
    """Every size and switch of a :class:`llm.Transformer`.

    Fields left at ``None`` take the usual value: ``n_kv_heads = n_heads``, ``head_dim = d_model /
    n_heads``, ``d_ff = 4·d_model`` (for SwiGLU ``8/3·d_model`` rounded up to a multiple of 8),
    ``qkv_bias = bias`` and ``attention_dropout = dropout``. ``bias`` covers every linear layer and
    LayerNorm but the head, which never has one; RMSNorm has none by definition.
    ``attention_window`` is the number of keys a query sees, itself included. ``rope_theta`` and
    ``rope_layout`` act only with ``position="rope"``.

    Raises ``ValueError`` for sizes that do not fit together and for unknown choices.
    """

    vocab_size: int
    max_seq_len: int = 256
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int | None = None
    head_dim: int | None = None
    d_ff: int | None = None
    dropout: float = 0.0
    attention_dropout: float | None = None
    position: str = "learned"
    norm: str = "layernorm"
    norm_position: str = "pre"
    ffn: str = "gelu"
    bias: bool = True
    qkv_bias: bool | None = None
    qk_norm: bool = False
    attention_window: int | None = None
    tie_embeddings: bool = True
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_layout: str = "half"
    scale_embeddings: bool = False
    _derived: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self):
        self._check_sizes()
        self._fill_in()
        self._check_fit()

    def _check_sizes(self):
        """Each field alone: positive integers, probabilities, known choices."""
        optional = ("n_kv_heads", "head_dim", "d_ff", "attention_window")
        for name in ("vocab_size", "max_seq_len", "d_model", "n_layers", "n_heads", *optional):
            value = getattr(self, name)
            if value is None and name in optional:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        for name in ("dropout", "attention_dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
        for name in ("norm_eps", "rope_theta"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown: choose one of {', '.join(choices)}"
                )

    def _fill_in(self):
        """Replace each ``None`` by its usual value, and remember which ones were given."""
        if self.head_dim is None and self.d_model % self.n_heads:
            raise ValueError(
                f"d_model={self.d_model} is not divisible by n_heads={self.n_heads}: "
                "change one of them, or set head_dim yourself"
            )
        swiglu_width = (8 * self.d_model // 3 + 7) // 8 * 8
        usual = {
            "n_kv_heads": self.n_heads,
            "head_dim": self.d_model // self.n_heads,
            "d_ff": swiglu_width if self.ffn == "swiglu" else 4 * self.d_model,
            "qkv_bias": self.bias,
            "attention_dropout": self.dropout,
        }
        derived = tuple(name for name in usual if getattr(self, name) is None)
        for name in derived:
            object.__setattr__(self, name, usual[name])
        object.__setattr__(self, "_derived", derived)

    def _check_fit(self):
        """The fields together."""
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads={self.n_heads} is not divisible by n_kv_heads={self.n_kv_heads}: each "
                "key/value head serves the same number of query heads"
            )
        if self.position == "rope" and self.head_dim % 2:
            raise ValueError(
                f"head_dim={self.head_dim} is odd, but position='rope' turns pairs of features: "
                "choose an even head_dim"
            )
        if self.position == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"d_model={self.d_model} is odd, but position='sinusoidal' fills it with pairs of "
                "sine and cosine: choose an even d_model"
            )

    def replace(self, **changes) -> "ModelConfig":
        """A copy with some fields changed; the usual values are worked out anew."""
        _refuse_unknown(changes)
        given = {name: value for name, value in self.to_dict().items() if name not in self._derived}
        return ModelConfig(**given | changes)

    def to_dict(self) -> dict:
        """All fields with their values, ready for JSON and for ``ModelConfig(**fields)``."""
        return {name: value for name, value in asdict(self).items() if name != "_derived"}

    @classmethod
    def preset(cls, name: str, **changes) -> "ModelConfig":
        """A published configuration by name, with some fields changed."""
        if name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
        _refuse_unknown(changes)
        return cls(**PRESETS[name] | changes)

    @classmethod
    def gpt2(cls, **changes) -> "ModelConfig":
        """GPT-2 small: 124,439,808 parameters."""
        return cls.preset("gpt2", **changes)

    @classmethod
    def simple_llm(cls, **changes) -> "ModelConfig":
        """The defaults of :class:`llm.SimpleLLM`: 123,653,376 parameters."""
        return cls.preset("simple_llm", **changes)

    @classmethod
    def llama_tiny(cls, **changes) -> "ModelConfig":
        """A LLaMA for eight words: d_model 32, 2 layers, 4 heads on 2 key/value heads."""
        return cls.preset("llama_tiny", **changes)

    @classmethod
    def llama_7b(cls, **changes) -> "ModelConfig":
        """LLaMA-7B: 6,738,415,616 parameters."""
        return cls.preset("llama_7b", **changes)

    @classmethod
    def llama2_7b(cls, **changes) -> "ModelConfig":
        """Llama-2-7B: LLaMA-7B with a context of 4,096."""
        return cls.preset("llama2_7b", **changes)

    @classmethod
    def llama2_70b(cls, **changes) -> "ModelConfig":
        """Llama-2-70B: 68,976,648,192 parameters, 64 query heads on 8 key/value heads."""
        return cls.preset("llama2_70b", **changes)

    @classmethod
    def from_names(cls, **fields) -> "ModelConfig":
        """A config from other projects' names: ``n_embd`` is ``d_model``, ``block_size`` is
        ``max_seq_len``, and so on through ``OTHER_NAMES``. Our own names pass unchanged.
        """
        ours = {}
        for name, value in fields.items():
            target = _OURS.get(name, name)
            if target in ours:
                raise ValueError(f"{name!r} and another name both set {target!r}: give one of them")
            ours[target] = value
        _refuse_unknown(ours)
        return cls(**ours)

    def n_params(self) -> int:
        """The number of parameters by formula; shared matrices count once."""
        head = 0 if self.tie_embeddings else self.vocab_size * self.d_model
        n_norms = 2 * self.n_layers + (self.norm_position == "pre")
        blocks = self.n_layers * (self._attention_params() + self._ffn_params())
        return self._embedding_params() + blocks + n_norms * self._norm_params() + head

    def _embedding_params(self) -> int:
        positions = {
            "learned": self.max_seq_len * self.d_model,
            "relative": RELATIVE_BUCKETS * self.n_heads,
        }
        return self.vocab_size * self.d_model + positions.get(self.position, 0)

    def _attention_params(self) -> int:
        queries, keys = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        matrices = self.d_model * (2 * queries + 2 * keys)
        biases = self.qkv_bias * (queries + 2 * keys) + self.bias * self.d_model
        return matrices + biases + self.qk_norm * 2 * self.head_dim

    def _ffn_params(self) -> int:
        n_up = 2 if self.ffn == "swiglu" else 1
        matrices = (n_up + 1) * self.d_model * self.d_ff
        return matrices + self.bias * (n_up * self.d_ff + self.d_model)

    def _norm_params(self) -> int:
        return self.d_model * (2 if self.norm == "layernorm" and self.bias else 1)


def _refuse_unknown(fields: dict) -> None:
    known = [name for name in ModelConfig.__dataclass_fields__ if not name.startswith("_")]
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"unknown field {', '.join(unknown)}: ModelConfig has {', '.join(known)}")


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of a training run; see :class:`llm.training.Trainer`.

    ``seq_len`` defaults to the model's ``max_seq_len``, ``schedule`` is cosine, linear or constant,
    ``precision`` fp32, bf16 or auto (bf16 on a GPU that has it). ``accumulation`` splits a batch
    into parts that are worked on in turn. ``eval_batches`` limits how much of the validation data
    is looked at, ``patience`` stops after so many evaluations without improvement. With ``folder``
    the run is saved there every ``save_every`` steps and at its end.
    """

    steps: int
    batch_size: int = 32
    seq_len: int | None = None
    lr: float = 1e-3
    min_lr: float = 0.0
    warmup: int = 0
    schedule: str = "cosine"
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    max_grad_norm: float | None = 1.0
    accumulation: int = 1
    precision: str = "auto"
    log_every: int = 10
    eval_every: int = 100
    eval_batches: int | None = 10
    patience: int | None = None
    save_every: int | None = None
    folder: str | None = None
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "accumulation", "log_every", "eval_every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        choices = {
            "schedule": ("cosine", "linear", "constant"),
            "precision": ("auto", "fp32", "bf16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: choose one of {', '.join(known)}"
                )
        if not 0 <= self.warmup <= self.steps or not self.lr > 0:
            raise ValueError(
                f"need 0 <= warmup <= steps and lr > 0, got warmup={self.warmup}, "
                f"steps={self.steps}, lr={self.lr}"
            )
