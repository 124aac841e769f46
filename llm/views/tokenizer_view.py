"""Where does my text break into tokens, and why there? Characters, own BPE and GPT-2 side by side.

JavaScript does the same work on the reader's text (`bpe.js`, `tokenizer_view.js`); a browser test
holds it to the ids of `llm.tokenization`.
"""

import base64
import gzip
import html
import re
import unicodedata

import numpy as np

from llm.tokenization import BPETokenizer, CharTokenizer, gpt2_tokenizer
from llm.views.view import View, strings

LIMIT = 2000  # characters; the view cuts what is longer, so that each key answers at once
SHOWN = 60  # tokens in the static forms
EXAMPLES = ("The cat sat on the mat.", "Mississippi", "lower lowest", "🦙 llama", "12345 + 678")
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\x7f": "␡", "\xa0": "⍽"}
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}


class TokenizerView(View):
    """Tokens of a text that the reader may edit: their ids, their bytes, and the merges behind.

    ``tokenizer`` is a tokenizer to compare with GPT-2's: one that was trained in the book, called
    ``name``, or a :class:`CharTokenizer`, whose ids then replace Unicode's numbers, or the name of
    a model for :func:`llm.load`, whose tokenizer it then is. ``mode`` is the way shown first:
    ``"characters"``, ``"own"`` or ``"gpt2"``. ``examples`` are texts on buttons. ``gpt2=False``
    leaves out GPT-2, whose merges are three quarters of the view's HTML in a notebook.

    >>> TokenizerView("The cat sat on the mat.")
    TokenizerView(text='The cat sat on the mat.', ways='Characters, GPT-2')
    """

    name = "tokenizer"

    def __init__(
        self,
        text: str = EXAMPLES[0],
        tokenizer: BPETokenizer | CharTokenizer | str | None = None,
        *,
        name: str | None = None,
        mode: str | None = None,
        examples: tuple[str, ...] = EXAMPLES,
        gpt2: bool = True,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        self.text = _checked(text)
        self.examples = [_checked(example) for example in examples]
        self.ways = _ways(tokenizer, name, gpt2)
        self.mode = mode or list(self.ways)[-1]
        if self.mode not in self.ways:
            raise ValueError(f"mode must be one of {', '.join(self.ways)}, got {mode!r}")

    def __repr__(self) -> str:
        ways = ", ".join(label for label, _ in self.ways.values())
        return f"TokenizerView(text={self.text!r}, ways={ways!r})"

    def payload(self, inline: bool = True) -> dict:
        """Text, examples and what JavaScript needs of each tokenizer."""
        ways = [tokenizer_spec(key, *way) for key, way in self.ways.items()]
        state = {"text": self.text, "mode": self.mode, "examples": self.examples}
        return state | {"limit": LIMIT, "ways": ways}

    def shared(self, inline: bool = True) -> dict[str, str]:
        """The merges of the BPE tokenizers, packed."""
        tokenizers = {f"bpe-{key}": tokenizer for key, (_, tokenizer) in self.ways.items()}
        return {k: pack(t) for k, t in tokenizers.items() if isinstance(t, BPETokenizer)}

    def describe(self) -> str:
        """The tokens of each way on one line."""
        rows = self._rows()
        width = max(len(label) for label, _, _ in rows)
        counts = [_count("token_count", n) for _, n, _ in rows]
        lines = [f"{r[0]:<{width}}  {n:>12}  {r[2]}" for r, n in zip(rows, counts, strict=True)]
        return "\n".join([repr(self), *lines])

    def fallback(self) -> str:
        """The same as a table."""
        words = strings(self.name)
        head = "".join(f'<th scope="col">{t}</th>' for t in ("", words["tokens"], words["pieces"]))
        rows = "".join(
            f'<tr><th scope="row">{html.escape(label)}</th><td>{n}</td>'
            f'<td dir="auto">{html.escape(shown)}</td></tr>'
            for label, n, shown in self._rows()
        )
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption dir="auto">'
            f"{html.escape(self.text)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """The tokens of each way as a row of boxes."""
        from llm.plots import token_rows

        rows = {f"{label}: {n}": pieces for label, n, pieces in self._pieces()}
        return token_rows(rows)

    def _pieces(self) -> list[tuple[str, int, list[str]]]:
        """For each way its name, the number of tokens, and the first of them."""
        return [
            (label, len(ids), _labels(tokenizer, ids[:SHOWN]))
            for label, tokenizer in self.ways.values()
            for ids in [_encode(tokenizer, self.text)]
        ]

    def _rows(self) -> list[tuple[str, int, str]]:
        more = {True: "|…", False: ""}
        return [(label, n, "|".join(p) + more[n > SHOWN]) for label, n, p in self._pieces()]


def pack(tokenizer: BPETokenizer) -> str:
    """All merges as text: base64 of gzip of numbers of four bytes, plane by plane.

    The numbers are the ids of the 256 bytes, then for all merges the left, the right and the new
    id. GPT-2's 50,000 merges take 220,000 letters.
    """
    special = set(tokenizer.special_tokens.values())
    ids = {token: i for i, token in tokenizer.vocab.items() if i not in special}
    merges = tokenizer.merges
    columns = [[ids[bytes([byte])] for byte in range(256)]]
    columns += [[ids[pair[side]] for pair in merges] for side in (0, 1)]
    columns += [[ids[left + right] for left, right in merges]]
    numbers = np.concatenate([np.array(column, dtype="<u4") for column in columns])
    planes = numbers.view(np.uint8).reshape(-1, 4).T.tobytes()
    return base64.b64encode(gzip.compress(planes, mtime=0)).decode()


def visible(text: str) -> str:
    """``text`` with a sign for each character that could not be seen: ``␣`` for a space."""
    signs = "".join(_sign(c) if unicodedata.category(c) in _UNSEEN else c for c in text)
    return "◌" + signs if signs and unicodedata.category(signs[0]).startswith("M") else signs


def _sign(character: str) -> str:
    code = ord(character)
    return _SIGNS.get(character) or (chr(0x2400 + code) if code < 32 else f"⟨{code:04X}⟩")


def _checked(text: str) -> str:
    """``text`` without lone surrogates; ``ValueError`` where a view cannot take it."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, got {text!r}: decode bytes and ids first")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) > LIMIT:
        raise ValueError(f"text has {len(text)} characters: give a view at most {LIMIT}")
    return text


def _ways(tokenizer, name: str | None, gpt2: bool) -> dict[str, tuple]:
    """Key, label and tokenizer of each way to cut a text, in the order shown."""
    words = strings("tokenizer")
    if isinstance(tokenizer, str):
        model, tokenizer = tokenizer, _shipped(tokenizer)
        is_bpe = isinstance(tokenizer, BPETokenizer)
        name = name or (words["model"] if is_bpe else words["model_characters"]).format(name=model)
    if not isinstance(tokenizer, BPETokenizer | CharTokenizer | None):
        raise ValueError(
            "tokenizer must be a BPETokenizer, a CharTokenizer, the name of a model or None, got "
            f"{tokenizer!r}"
        )
    ways = {"characters": (words["characters"], None)}
    if isinstance(tokenizer, CharTokenizer):
        ways["characters"] = (name or words["characters"], tokenizer)
    elif tokenizer is not None:
        ways["own"] = (name or _count("own", len(tokenizer.merges)), tokenizer)
    return ways | ({"gpt2": (words["gpt2"], gpt2_tokenizer())} if gpt2 else {})


def _shipped(name: str) -> BPETokenizer | CharTokenizer:
    """The tokenizer of a model that comes with the book."""
    from llm.pretrained import load  # here, since it brings torch along

    return load(name)[1]


def _count(key: str, n: int) -> str:
    """The words ``key`` for ``n`` things: "24 tokens", but "1 token"."""
    return strings("tokenizer")[f"{key}_one" if n == 1 else key].format(n=f"{n:,}")


def tokenizer_spec(key: str, label: str, tokenizer) -> dict:
    """What JavaScript needs of a tokenizer beside its merges, which `pack` packs."""
    way = {"key": key, "name": label}
    if isinstance(tokenizer, CharTokenizer):
        return way | {"ids": {character: i for i, character in tokenizer.vocab.items()}}
    if tokenizer is None:
        return way
    bare = re.sub(r"\\[pP]\{\w+\}|\\.|\[[^]]*\]", "x", tokenizer.pattern)  # classes aside
    if re.search(r"[*+?}]\+|\(\?>|\(\?[a-zA-Z]*\)", bare):
        raise ValueError(
            f"pattern {tokenizer.pattern!r} has possessive or atomic parts or global flags, which "
            "browsers do not know: give the tokenizer a pattern without them"
        )
    specials = list(tokenizer.special_tokens.items())
    return way | {"table": f"bpe-{key}", "pattern": tokenizer.pattern, "specials": specials}


def _encode(tokenizer, text: str) -> list:
    """Ids, or characters where there is no tokenizer or it lacks some of them."""
    if isinstance(tokenizer, BPETokenizer):
        return tokenizer.encode(text)
    return list(text)


def _labels(tokenizer, ids: list) -> list[str]:
    if not isinstance(tokenizer, BPETokenizer):
        return [visible(character) for character in ids]
    return [_bytes_text(tokenizer.decode_bytes([token_id])) for token_id in ids]


def _bytes_text(token: bytes) -> str:
    try:
        return visible(token.decode())
    except UnicodeDecodeError:
        return token.hex(" ").upper()
