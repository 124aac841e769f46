"""Checks for the exercises: each runs the reader's function and names its bug in one sentence."""

from llm.checks.architectures import check_cross_attention, check_hide, check_prefix_mask
from llm.checks.attention import (
    check_attend_newest,
    check_attention,
    check_causal_mask,
    check_merge_heads,
    check_multi_head,
    check_rope,
    check_split_heads,
)
from llm.checks.base import CheckFailed, Passed, check_function
from llm.checks.embeddings import (
    check_cosines,
    check_embedding,
    check_one_hot,
    check_sinusoidal,
)
from llm.checks.finetuning import (
    check_answer_targets,
    check_dpo_loss,
    check_lora,
)
from llm.checks.finetuning_assignment import (
    check_adapt,
    check_answer_loss,
    check_ask,
    check_doubtful_dpo_loss,
    check_fold,
    check_room,
    check_start,
    check_story_loss,
    check_train_only,
    check_tune,
    check_tune_but,
)
from llm.checks.generation import check_cached_mask, check_rest, check_write
from llm.checks.interpretability import (
    check_attribute,
    check_effect,
    check_induction_score,
    check_lens,
)
from llm.checks.layer_block import (
    check_block,
    check_feed_forward,
    check_layer_norm,
    check_rms_norm,
)
from llm.checks.llama import (
    check_count_params,
    check_mix,
    check_share_heads,
    check_to_half,
)
from llm.checks.output import (
    check_cross_entropy,
    check_next_token_loss,
    check_sampling,
    check_softmax,
)
from llm.checks.scaling import (
    check_forward_flops,
    check_kv_cache_bytes,
    check_n_params,
    check_power_law,
)
from llm.checks.tokenization import (
    check_count_pairs,
    check_decode,
    check_encode,
    check_merge,
    check_train,
)
from llm.checks.training import (
    check_accumulate,
    check_cosine_schedule,
    check_get_batch,
    check_train_step,
)

__all__ = [
    "CheckFailed",
    "Passed",
    "check_accumulate",
    "check_adapt",
    "check_answer_loss",
    "check_answer_targets",
    "check_ask",
    "check_attend_newest",
    "check_attention",
    "check_attribute",
    "check_block",
    "check_cached_mask",
    "check_causal_mask",
    "check_cosine_schedule",
    "check_cosines",
    "check_count_pairs",
    "check_count_params",
    "check_cross_attention",
    "check_cross_entropy",
    "check_decode",
    "check_doubtful_dpo_loss",
    "check_effect",
    "check_dpo_loss",
    "check_embedding",
    "check_encode",
    "check_feed_forward",
    "check_fold",
    "check_forward_flops",
    "check_function",
    "check_get_batch",
    "check_induction_score",
    "check_kv_cache_bytes",
    "check_hide",
    "check_layer_norm",
    "check_lens",
    "check_lora",
    "check_merge",
    "check_merge_heads",
    "check_mix",
    "check_multi_head",
    "check_n_params",
    "check_next_token_loss",
    "check_one_hot",
    "check_power_law",
    "check_prefix_mask",
    "check_rest",
    "check_rms_norm",
    "check_room",
    "check_rope",
    "check_sampling",
    "check_share_heads",
    "check_sinusoidal",
    "check_softmax",
    "check_split_heads",
    "check_start",
    "check_story_loss",
    "check_to_half",
    "check_train",
    "check_train_only",
    "check_train_step",
    "check_tune",
    "check_tune_but",
    "check_write",
]
