"""Whom may a token see, and what is it asked for? Three masks on one sentence."""

import html

from llm.attention import causal_mask
from llm.views.view import View, strings

SENTENCE = "Once there was a queen called Mia . She ruled"
GAP = 4
SOURCE, TARGET = "three hundred forty two", "drei hundert zwei und vierzig"
FAMILIES = ("encoder", "decoder", "both")
LONGEST = 16  # words of a text


class FamilyView(View):
    """The masks of an encoder, a decoder and two stacks, and what each token is trained to predict.

    ``sentence`` is read by the encoder with the word number ``gap`` (from 0) covered, and by the
    decoder as it is; ``source`` and ``target`` are the texts of the two stacks. ``family`` is
    ``"encoder"``, ``"decoder"`` or ``"both"``, ``query`` the number of the token that looks.
    ``shown`` leaves out the question. Raises ``ValueError`` for what the view cannot show.

    >>> FamilyView(family="decoder", query=3)
    FamilyView(decoder, query=3)
    """

    name = "family"

    def __init__(
        self,
        sentence: str = SENTENCE,
        gap: int = GAP,
        source: str = SOURCE,
        target: str = TARGET,
        *,
        family: str = "encoder",
        query: int | None = None,
        shown: bool = False,
        anchor: str | None = None,
    ):
        super().__init__(anchor)
        if family not in FAMILIES:
            raise ValueError(f"family={family!r}: choose one of {', '.join(FAMILIES)}")
        said, read, written = (_words(text) for text in (sentence, source, target))
        if not 0 <= gap < len(said):
            raise ValueError(f"gap={gap}: the sentence has words 0 to {len(said) - 1}")
        self.tables = {
            "encoder": _encoder(said, gap),
            "decoder": _decoder(said),
            "both": _both(read, written),
        }
        first = {"encoder": gap, "decoder": max(gap - 1, 0), "both": len(read) + 1}
        tokens = self.tables[family]["tokens"]
        self.family, self.shown = family, bool(shown)
        self.query = first[family] if query is None else query
        if not 0 <= self.query < len(tokens):
            raise ValueError(f"query={query}: this family has tokens 0 to {len(tokens) - 1}")
        self.first = first

    def __repr__(self) -> str:
        return f"FamilyView({self.family}, query={self.query})"

    def payload(self, inline: bool = True) -> dict:
        """Tokens, masks and answers of the three families, and where to begin."""
        state = {"family": self.family, "query": self.query, "shown": int(self.shown)}
        return {"families": self.tables, "state": state, "first": self.first}

    def describe(self) -> str:
        """For each token: which it sees, as a row of signs, and what it is asked for."""
        lines = [repr(self)]
        for name in FAMILIES:
            lines += [name, *(f"  {' '.join(row)}" for row in self._rows(name))]
        return "\n".join(lines)

    def fallback(self) -> str:
        """The same as a table for the family shown first."""
        words = strings(self.name)
        titles = "".join(
            f'<th scope="col">{words[t]}</th>'
            for t in ("column_token", "column_sees", "column_asked")
        )
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._rows(self.family)
        )
        return (
            f'<p class="llm-question">{words["question"]}</p><table><caption>'
            f"{words[f'family_{self.family}']}</caption><thead><tr>{titles}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def figure(self):
        """The mask of the family shown first, as squares."""
        import torch

        from llm.plots import attention_map

        table = self.tables[self.family]
        title = strings(self.name)[f"family_{self.family}"]
        return attention_map(torch.tensor(table["mask"]).float(), table["tokens"], title)

    def _rows(self, name: str) -> list[tuple[str, str, str]]:
        table = self.tables[name]
        return [
            (token, "".join("■" if seen else "·" for seen in row), asked or "–")
            for token, row, asked in zip(
                table["tokens"], table["mask"], table["asked"], strict=True
            )
        ]


def _encoder(words: list[str], gap: int) -> dict:
    tokens = [*words[:gap], "[mask]", *words[gap + 1 :]]
    asked = [word if i == gap else "" for i, word in enumerate(words)]
    return {"tokens": tokens, "mask": [[1] * len(words)] * len(words), "asked": asked, "read": 0}


def _decoder(words: list[str]) -> dict:
    mask = causal_mask(len(words)).int().tolist()
    return {"tokens": words, "mask": mask, "asked": [*words[1:], ""], "read": 0}


def _both(source: list[str], target: list[str]) -> dict:
    S, T = len(source), len(target) + 1
    mask = [[1] * S + [0] * T for _ in range(S)]
    mask += [[1] * S + row for row in causal_mask(T).int().tolist()]
    tokens, asked = [*source, "[begin]", *target], [*[""] * S, *target, "[end]"]
    return {"tokens": tokens, "mask": mask, "asked": asked, "read": S}


def _words(text: str) -> list[str]:
    words = text.split() if isinstance(text, str) else []
    if not 1 < len(words) <= LONGEST:
        raise ValueError(f"each text needs 2 to {LONGEST} words, got {text!r}")
    return words
