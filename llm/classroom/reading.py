"""What to read again after a bug: the section of the book that explains what its catalogue tests.

The headings are those of the chapters; a test compares them.
"""

from llm.classroom.bugs import Bug

CHAPTERS = {
    "architectures": "Three families",
    "attention": "Attention",
    "embeddings": "Embeddings",
    "finetuning": "Pretrained and fine-tuning",
    "generation": "Generation",
    "interpretability": "Looking inside",
    "layer_block": "Layer block",
    "llama": "From GPT to LLaMA",
    "output": "Output",
    "scaling": "Scale",
    "tokenization": "Tokenization",
    "training": "Training",
}
SECTIONS = {
    "architectures.HIDE_BUGS": "An encoder learns from covered words",
    "architectures.CROSS_ATTENTION_BUGS": "Two stacks",
    "architectures.PREFIX_MASK_BUGS": "Who sees whom",
    "attention.MASK_BUGS": "No looking ahead",
    "attention.ATTENTION_BUGS": "The same in code and in symbols",
    "attention.SPLIT_BUGS": "Many heads",
    "attention.MERGE_BUGS": "Many heads",
    "attention.MULTI_HEAD_BUGS": "Many heads",
    "attention.ROPE_BUGS": "Where the words stand",
    "attention.NEWEST_BUGS": "Where the words stand",
    "embeddings.ONE_HOT_BUGS": "A table with a row for each token",
    "embeddings.COSINE_BUGS": "What training does to the rows",
    "embeddings.EMBEDDING_BUGS": "A table with a row for each token",
    "embeddings.SINUSOIDAL_BUGS": "A clock with several hands",
    "finetuning.ANSWER_TARGETS_BUGS": "The loss on the answer only",
    "finetuning.LORA_BUGS": "LoRA: a thin change",
    "finetuning.DPO_BUGS": "Preferences: DPO",
    "generation.WRITE_BUGS": "Append and repeat",
    "generation.CACHED_MASK_BUGS": "A mask that counts from the wrong end",
    "generation.REST_BUGS": "Guess, then check",
    "interpretability.LENS_BUGS": "The model, read early",
    "interpretability.ATTRIBUTE_BUGS": "Who brought the word?",
    "interpretability.EFFECT_BUGS": "From one run into another",
    "interpretability.INDUCTION_BUGS": "Where a head looks",
    "layer_block.LAYER_NORM_BUGS": "Norms",
    "layer_block.RMS_NORM_BUGS": "Norms",
    "layer_block.FEED_FORWARD_BUGS": "The feed-forward network",
    "layer_block.BLOCK_BUGS": "The block in two lines",
    "llama.SHARE_HEADS_BUGS": "Keys and values for a group",
    "llama.TO_HALF_BUGS": "Two layouts of one rotation",
    "llama.COUNT_PARAMS_BUGS": "Counting to seventy billion",
    "llama.MIX_BUGS": "A mixture of experts",
    "output.SOFTMAX_BUGS": "Softmax, safely",
    "output.LOSS_BUGS": "What a word costs",
    "output.MEAN_BUGS": "What a word costs",
    "output.PADDING_BUGS": "Padding",
    "output.LARGE_BUGS": "Softmax, safely",
    "output.SHIFT_BUGS": "What a word costs",
    "output.TEMPERATURE_BUGS": "Which word, then?",
    "output.TOP_K_BUGS": "Which word, then?",
    "output.TOP_P_BUGS": "Which word, then?",
    "output.ORDER_BUGS": "Which word, then?",
    "scaling.N_PARAMS_BUGS": "Every term of a sum",
    "scaling.FORWARD_FLOPS_BUGS": "What a token costs",
    "scaling.KV_CACHE_BUGS": "What has to fit",
    "scaling.POWER_LAW_BUGS": "Laws",
    "tokenization.COUNT_BUGS": "The same in Python",
    "tokenization.MERGE_BUGS": "The same in Python",
    "tokenization.TRAIN_BUGS": "The same in Python",
    "tokenization.ENCODE_BUGS": "Encoding does not count",
    "tokenization.DECODE_BUGS": "Begin with bytes",
    "training.BATCH_BUGS": "All positions at once",
    "training.WARMUP_BUGS": "When it goes wrong",
    "training.DECAY_BUGS": "When it goes wrong",
    "training.END_BUGS": "When it goes wrong",
    "training.STEP_BUGS": "Guess, compare, adjust",
    "training.STEP_LOSS_BUGS": "Guess, compare, adjust",
    "training.PARTS_BUGS": "A batch in parts, and several processes",
    "training.PARTS_LOSS_BUGS": "A batch in parts, and several processes",
}


def to_read(bug: Bug, assignment: str) -> tuple[str, str]:
    """Chapter and section that help with a bug; the section, or both, may be ``""``.

    An assignment that has a chapter's name sends its readers there where no catalogue knows more.
    """
    chapter = bug.catalogue.partition(".")[0] or assignment
    return CHAPTERS.get(chapter, ""), SECTIONS.get(bug.catalogue, "")
