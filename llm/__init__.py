"""The code of the book *Inside an LLM*: one module a chapter, in the order of the chapters.

Notation, the same in every module, chapter and figure:

======================  ====================  ==================================================
tensor                  shape                 meaning
======================  ====================  ==================================================
``token_ids``           ``(B, T)``            integers in ``0 … V − 1``
``x``                   ``(B, T, C)``         the residual stream
``q``                   ``(B, H, T, D)``      queries
``k``, ``v``            ``(B, H_kv, S, D)``   keys and values
``scores``, ``weights`` ``(B, H, T, S)``      attention before and after the softmax
``logits``              ``(B, T, V)``         one score for each entry of the vocabulary
``targets``             ``(B, T)``            the token that follows each position
======================  ====================  ==================================================

B batch · T query positions · S key positions · C = d_model · H heads · D = head_dim · V vocabulary.

Importing the package loads nothing but this table: each name below is imported when first used.
"""

import importlib

__version__ = "0.1.0"
__book__ = "Inside an LLM"
__repository__ = "https://github.com/inside-an-llm/book"

_MODULES = {
    "checkpoint": "load_checkpoint load_weights save_checkpoint save_weights",
    "config": "ModelConfig TrainConfig",
    "tokenization": "BPETokenizer CharTokenizer gpt2_tokenizer",
    "embeddings": "LearnedPositionalEmbedding RotaryPositionalEmbedding "
    "SinusoidalPositionalEncoding TokenEmbedding alibi_bias relative_bias",
    "attention": "CausalSelfAttention CrossAttention GroupedQueryAttention KVCache "
    "MultiHeadAttention causal_mask padding_mask scaled_dot_product_attention",
    "layer_block": "FeedForward LayerNorm RMSNorm SwiGLU TransformerBlock swiglu",
    "output": "cross_entropy min_p_filter perplexity repetition_penalty sample softmax "
    "temperature_scale top_k_filter top_p_filter top_predictions",
    "generation": "generate stream",
    "initialization": "initialize",
    "model": "GPT Llama SimpleLLM Transformer",
    "llama": "MixtureOfExperts convert_rope switch",
    "training": "Trainer cosine_schedule evaluate get_batch",
    "history": "History",
    "optimizers": "SGD Adam AdamW",
    "architectures": "RNN Encoder EncoderDecoder mask_tokens",
    "bert_and_t5": "encoder_decoder_from_huggingface encoder_from_huggingface",
    "huggingface": "from_huggingface to_huggingface",
    "pretrained": "load",
    "interpretability": "HeadScores attribution fit_probe head_outputs head_scores linear_memory "
    "logit_lens mean_outputs patch_effects recalled replace_heads text_head_scores",
    "scaling": "PowerLaw fit_power_law forward_flops kv_cache_bytes multiply_adds parameters "
    "published training_flops training_memory",
    "speculative": "Speculated accept_distribution speculative_generate",
    "finetuning": "LoRALinear add_lora dpo_loss fine_tune freeze instruction_batch load_lora "
    "merge_lora save_lora unfreeze",
    "films": "Film",
    "views.live_training": "live_training",
    "probes": "Probe trace",
    "device": "default_device seed_everything",
}
_SUBMODULES = {"checks", "data", "plots", "runs", "stories", "style"}
_SUBMODULES |= {module.partition(".")[0] for module in _MODULES}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Import a public name, or a module of the package, on first use (PEP 562)."""
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__) | _SUBMODULES)
