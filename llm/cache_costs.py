"""What a token costs while a model writes: the bytes of the KV cache, and multiply-adds.

One multiply-add is two FLOPs. Norms, activations and the softmax are left out: they are few.
"""

from llm.config import ModelConfig


def cache_bytes(config: ModelConfig, n_tokens: int, bytes_per_number: int = 4) -> int:
    """2 · L · H_kv · D · S numbers: a key and a value for each layer, KV head and token.

    >>> cache_bytes(ModelConfig.llama2_7b(), 1, bytes_per_number=2)    # half a MiB a token
    524288
    """
    numbers = 2 * config.n_layers * config.n_kv_heads * config.head_dim * n_tokens
    return numbers * bytes_per_number


def multiply_adds(config: ModelConfig, n_new: int, n_past: int = 0) -> dict[str, int]:
    """Multiply-adds of one forward pass over ``n_new`` tokens behind ``n_past`` cached ones.

    ``weights``: every matrix of the blocks meets every new token. ``attention``: each query meets
    the keys up to itself, once for its score and once for the mean of the values. ``head``: C · V
    for each new token; a loop that writes needs only the last of them.
    """
    width = config.n_heads * config.head_dim
    square = 2 * config.d_model * (width + config.n_kv_heads * config.head_dim)
    ffn = (3 if config.ffn == "swiglu" else 2) * config.d_model * config.d_ff
    pairs = n_new * n_past + n_new * (n_new + 1) // 2  # a query and a key that it may see
    return {
        "weights": config.n_layers * (square + ffn) * n_new,
        "attention": config.n_layers * 2 * width * pairs,
        "head": config.d_model * config.vocab_size * n_new,
    }
