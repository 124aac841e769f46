"""Interactive views: HTML that works without a kernel, without network, and in every notebook.

Importing the package loads nothing: each view below is imported when first used.
"""

import importlib

_HOME = {
    "View": "view",
    "AttentionView": "attention_view",
    "BlockView": "block_view",
    "CacheView": "cache_view",
    "EmbeddingView": "embedding_view",
    "LensView": "lens_view",
    "FamilyView": "family_view",
    "FineTuneView": "finetune_view",
    "OutputView": "output_view",
    "Playground": "playground_view",
    "PositionView": "positions_view",
    "Question": "quiz_view",
    "Quiz": "quiz_view",
    "SwitchView": "switch_view",
    "ScaleView": "scale_view",
    "TokenizerView": "tokenizer_view",
    "TrainingFilmView": "film_view",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    """Import a view on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
