"""What does the model expect next, and how does it get there? The whole model, live in the page."""

import html
import json
import re
from functools import cache

import torch

from llm.data import stories
from llm.generation import evaluating
from llm.model import Transformer
from llm.output import softmax
from llm.pretrained import load, model_table
from llm.stories import read
from llm.story_words import LISTS, WORDS, Words
from llm.tokenization import BPETokenizer, CharTokenizer
from llm.views.language_model import ViewModel, tokens_of
from llm.views.view import View, strings

LIMIT = 2000  # characters of the text
SHOWN = 8  # tokens in the static forms
STORY = (
    "Once there was a queen called Mia. She ruled in a castle. Mia had three friends, Tom, Leila "
    "and Omar. One day Tom found a red kite in the garden. Soon Tom gave the red kite to Leila. "
    "Then Omar took the red kite from Leila. Who has the red kite now?"
)
PROMPTS = {
    "stories": {
        "beginning": "Once there was a",
        "pronoun": "Once there was a queen called Mia.",
        "name": "Once there was a boy called Tom. He played in a park.",
        "owner": STORY,
        "dragon": "Once there was a dragon",
    },
    "plays": {
        "romeo": "ROMEO:\n",
        "juliet": "JULIET:\nO ",
        "hamlet": "To be, or not to be",
        "you": "My name is ",
    },
}
LIVE = ("storyteller", "bard")  # the models between which the reader chooses
TOUR = (  # what is said, the part that it is about, what is set
    ("type", "field", {"model": "storyteller", "prompt": PROMPTS["stories"]["beginning"]}),
    ("chances", "next", {}),
    ("surprise", "read", {"prompt": f"{PROMPTS['stories']['pronoun']} She ruled in"}),
    ("owner", "next", {"prompt": STORY}),
    ("tokens", "how", {"stage": 0}),
    ("embeddings", "how", {"stage": 1}),
    ("block", "how", {"stage": 4, "head": 4}),
    ("draw", "write", {"stage": 8, "prompt": PROMPTS["stories"]["beginning"]}),
)


class Playground(View):
    """A model at work on the reader's text: tokens, blocks, chances of each next token, drawing.

    Without arguments it holds the storyteller and the bard. ``model`` is a
    :class:`llm.Transformer` of your own with the ``tokenizer`` that it was trained with, or the
    name of a model of :func:`llm.pretrained.model_table`. Where the tokenizer has a token for each
    word of the stories, the true chances of the process stand beside the model's; ``words`` are
    those of your own process. ``prompt`` is the text shown first. Raises ``ValueError`` for models
    and texts that a view cannot take.

    >>> Playground(model, tokenizer, "Once there was a")
    Playground(model, 537,312 parameters, prompt='Once there was a')
    """

    name = "playground"

    def __init__(
        self,
        model: Transformer | str | None = None,
        tokenizer: BPETokenizer | CharTokenizer | None = None,
        prompt: str | None = None,
        *,
        name: str = "model",
        words: Words | None = None,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.words = words or WORDS
        self.models = _models(model, tokenizer, name)
        first = next(iter(self._prompts(self.models[0]).values()))
        self.prompt = first if prompt is None else _usable(prompt)

    def __repr__(self) -> str:
        first = self.models[0]
        size = f"{first.model.n_params():,} parameters"
        return f"Playground({first.name}, {size}, prompt={self.prompt!r})"

    def payload(self, inline: bool = True) -> dict:
        """The models, the texts to begin with and the words of the stories."""
        models = [self._model(m, inline) for m in self.models]
        models[0]["prompt"] = self.prompt
        told = any(m["stories"] for m in models)
        words = json.dumps(vars(self.words), default=dict) if told else None
        tour = TOUR if [m.name for m in self.models] == list(LIVE) else ()
        return {"models": models, "words": words, "limit": LIMIT, "tour": tour}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """Weights and merges of the models, packed."""
        return {key: text for m in self.models for key, text in m.files(inline).items()}

    def describe(self) -> str:
        """The most likely next tokens, with their true chances where these are known."""
        lines = [f"{token!r:<14} {p:>7}  {truth}".rstrip() for token, p, truth in self._texts()]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        titles = ("column_token", "column_final", "column_truth")
        head = "".join(f'<th scope="col">{html.escape(words[t])}</th>' for t in titles)
        rows = "".join(
            f"<tr><td>{html.escape(token)}</td><td>{p}</td><td>{truth}</td></tr>"
            for token, p, truth in self._texts()
        )
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption dir="auto">'
            f"{html.escape(self.prompt)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """The same as bars."""
        from llm.plots import next_words

        return next_words(self.prompt, self._rows())

    def _model(self, m: ViewModel, inline: bool) -> dict:
        told = _tells_stories(m.tokenizer, self.words)
        prompts = self._prompts(m)
        known = sorted(_known_words(self.words)) if told else None
        first, examples = next(iter(prompts.values())), list(prompts.items())
        more = {"prompt": first, "examples": examples, "stories": told, "known": known}
        return m.spec(inline) | more

    def _prompts(self, m: ViewModel) -> dict[str, str]:
        """Texts to begin with, by name: those of the stories or plays, or a letter of its own."""
        if _tells_stories(m.tokenizer, self.words):
            return PROMPTS["stories"]
        if not isinstance(m.tokenizer, CharTokenizer):
            return PROMPTS["plays"]
        letters = set(m.tokenizer.vocab.values())
        known = {name: p for name, p in PROMPTS["plays"].items() if set(p) <= letters}
        return known or {"letter": min(letters)}

    def _rows(self) -> list[tuple[str, float, float | None]]:
        """Token, chance and, if it is known, true chance of the likeliest after the prompt."""
        m = self.models[0]
        prompt = self.prompt.rstrip() if isinstance(m.tokenizer, BPETokenizer) else self.prompt
        ids = tokens_of(m.model, m.tokenizer, prompt)
        if not ids:
            return []
        device = next(m.model.parameters()).device
        with torch.no_grad(), evaluating(m.model):
            logits = m.model(torch.tensor([ids], device=device))[0, -1].float().cpu()
        chances = softmax(logits)
        truth = self._truth(prompt) if _tells_stories(m.tokenizer, self.words) else {}
        best = chances.topk(min(SHOWN, len(chances)))
        names = [m.tokenizer.decode([i]) for i in best.indices.tolist()]
        return [
            (name, p, truth.get(name.strip(), 0.0) if truth else None)
            for name, p in zip(names, best.values.tolist(), strict=True)
        ]

    def _texts(self) -> list[tuple[str, str, str]]:
        rows = self._rows()
        return [(t, f"{p:.2%}", "" if true is None else f"{true:.2%}") for t, p, true in rows]

    def _truth(self, prompt: str) -> dict[str, float]:
        try:
            return dict(read(prompt, self.words)[1])
        except ValueError:  # no story begins like this
            return {}


def _models(model: Transformer | str | None, tokenizer, name: str) -> list[ViewModel]:
    """The model of the reader, the one with that name, or those of the book."""
    if isinstance(model, Transformer) and tokenizer is None:
        raise ValueError("a model needs the tokenizer that it was trained with: give both")
    if not isinstance(model, Transformer) and tokenizer is not None:
        raise ValueError(
            f"a tokenizer goes with a llm.Transformer, got {model!r:.60}: give your own model with "
            "it, or leave the tokenizer out"
        )
    if isinstance(model, Transformer):
        return [ViewModel(name, model, tokenizer)]
    return [_shipped(shipped) for shipped in (LIVE if model is None else (model,))]


def _shipped(name: str) -> ViewModel:
    if not isinstance(name, str) or name not in model_table():
        raise ValueError(
            f"no model {name!r:.60}: choose one of {', '.join(model_table())}, or give a "
            "llm.Transformer with its tokenizer"
        )
    return ViewModel(name, *load(name))


def _usable(prompt: str) -> str:
    """``prompt`` without lone surrogates; ``ValueError`` where a view cannot take it."""
    if not isinstance(prompt, str):
        raise ValueError(f"prompt must be a str, got {prompt!r:.60}")
    prompt = prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(prompt) > LIMIT:
        raise ValueError(f"prompt has {len(prompt):,} characters: a view takes {LIMIT:,} at most")
    return prompt


def _tells_stories(tokenizer, words: Words) -> bool:
    """Whether each word of the stories is one token."""
    if not isinstance(tokenizer, BPETokenizer) or "<|begin|>" not in tokenizer.special_tokens:
        return False
    return all(len(tokenizer.encode(f" {word}")) == 1 for word in _listed(words))


@cache
def _known_words(words: Words) -> set[str]:
    """Every word that stands in the stories: those of the lists, and those of all stories."""
    fixed = " ".join(stories(50, words=words).documents)
    return _listed(words) | set(re.findall(r"\w+", fixed))


def _listed(words: Words) -> set[str]:
    lists = [getattr(words, name) for name in LISTS]
    both = [value for value in lists if isinstance(value, dict)]
    places = [place for _, _, where in words.roles.values() for place in where]
    chosen = [w for value in lists for w in value] + [w for value in both for w in value.values()]
    return {*chosen, *places, *words.roles}
