"""Cutting text into pre-tokens and special tokens, all at once or as it arrives in chunks.

Adds to nothing: only the pattern of GPT-2 (Radford et al., 2019) and the regex module.
"""

from collections.abc import Iterable, Iterator

import regex

GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How GPT-2 cuts text: contractions, words, numbers, signs, white space."""

HELD_BACK = 4  # pre-tokens at the end that later text may still change; GPT-2's pattern needs 2


class PreTokenizer:
    """Cuts text at special tokens, the longest first, and between them by a pattern.

    Nothing is lost: a character that ``pattern`` skips becomes a piece by itself. The pattern may
    look ahead but not behind. Raises ``ValueError`` for one that does not compile or that matches
    the empty text.

    ``list(PreTokenizer(GPT2_PATTERN, ["<s>"]).pieces(["it's<", "s> 42"]))`` gives
    ``["it", "'s", "<s>", " 42"]``.
    """

    def __init__(self, pattern: str, special_tokens: Iterable[str] = ()):
        self.pattern = f"{pattern}|(?s:.)"
        try:
            self._ordinary = regex.compile(self.pattern)
        except regex.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None
        if self._ordinary.fullmatch(""):
            raise ValueError(f"pattern {pattern!r} matches the empty text: use + in place of *")
        longest_first = sorted(special_tokens, key=len, reverse=True)
        self._special = regex.compile("|".join(map(regex.escape, longest_first)) or "(?!)")
        self._openings = {name[:n] for name in longest_first for n in range(1, len(name))}
        self._reach = max(map(len, longest_first), default=0)

    def pieces(self, chunks: Iterable[str]) -> Iterator[str]:
        """Yield the pieces of ``"".join(chunks)`` as soon as no later text can change them.

        Chunks may end anywhere. Memory stays at one chunk and the longest piece, and each
        character is looked at a few times at most: text that was held back is read again only when
        as much has been added.
        """
        text, enough = "", 0
        for chunk in chunks:
            text += chunk
            if len(text) >= enough:
                read = yield from self._settled(text)
                text = text[read:]
                enough = 2 * len(text)
        yield from self._settled(text, at_end=True)

    def _settled(self, text: str, at_end: bool = False) -> Iterator[str]:
        """Yield the pieces of ``text`` that are certain; return how many characters they span."""
        read, limit = 0, len(text) if at_end else self._opening(text, 0)
        for special in self._special.finditer(text):
            if special.start() >= limit:
                break  # a longer special token, or one that starts earlier, may still appear
            yield from self._ordinary.findall(text[read : special.start()])
            yield special.group()
            read = special.end()
            limit = len(text) if at_end else self._opening(text, read)
        held: list[str] = []
        for match in self._ordinary.finditer(text[read:limit]):
            held.append(match.group())
            if len(held) > HELD_BACK or at_end:
                yield held[0]
                read += len(held.pop(0))
        return read

    def _opening(self, text: str, start: int) -> int:
        """Where a special token that the end of ``text`` cuts off may begin, else the length."""
        nearest = max(start, len(text) - self._reach + 1)
        cut_off = (i for i in range(nearest, len(text)) if text[i:] in self._openings)
        return next(cut_off, len(text))
