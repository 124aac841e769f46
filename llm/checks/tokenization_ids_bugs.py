"""The second half of the tokenizer assignment, from merges to ids and back, right and wrong.

The right ones are `make_vocab`, `encode_word`, `encode_text`, `decode_ids`, `stream_text`,
`add_special` and `chat_ids`; the dictionaries below them hold the bugs: a sentence, and a function
that has the bug, which is mostly one changed argument.
"""

from builtins import (  # noqa: UP029  bound now, so that replacing them later changes nothing
    UnicodeDecodeError,
    bytes,
    chr,
    dict,
    enumerate,
    int,
    len,
    list,
    max,
    min,
    next,
    range,
    sorted,
    str,
    tuple,
    zip,
)
from codecs import getincrementaldecoder
from collections.abc import Callable
from functools import partial

from llm.checks.tokenization_words_bugs import (
    Pair,
    longest_first,
    merge_word,
    pretokens,
    split_specials,
)

Vocab = dict[int, bytes]
Encode = Callable[[str, list[str]], list[int]]
FOREVER = 10**9
_single = [bytes([byte]) for byte in range(256)]
_decoder = getincrementaldecoder("utf-8")
LAYOUTS = {
    "last": lambda merged, names: _single + merged + names,
    "first": lambda merged, names: names + _single + merged,
}
LAYOUT_RULES = {
    "last": "bytes come first, then merges, special tokens last",
    "first": "special tokens come first, then bytes, then merges",
}


def make_vocab(
    merges: list[Pair],
    specials: list[str],
    *,
    layout=LAYOUTS["last"],
    join=lambda pair: pair[0] + pair[1],
    spelled=str.encode,
    start: int = 0,
) -> Vocab:
    merged, names = [join(pair) for pair in merges], [spelled(name) for name in specials]
    return dict(enumerate(layout(merged, names), start))


def _code_points(make: Callable, *case) -> Vocab:
    by_byte = {byte: chr(byte[0]).encode() for byte in _single}
    return {i: by_byte.get(token, token) for i, token in make(*case).items()}


def vocab_bugs(specials: str) -> dict:
    """The bugs of `make_vocab` where the special tokens have the place ``specials``."""
    (other,) = {"first", "last"} - {specials}
    right = LAYOUTS[specials]
    make = partial(make_vocab, layout=right)
    rule = LAYOUT_RULES[specials]
    return {
        f"{rule}; yours have the special tokens {other}.": partial(
            make_vocab, layout=LAYOUTS[other]
        ),
        f"{rule}; yours stand between bytes and merges.": partial(
            make_vocab, layout=lambda merged, names: _single + names + merged
        ),
        "the special tokens are missing.": partial(
            make, layout=lambda merged, names: right(merged, [])
        ),
        "the bytes are missing; 256 of the entries are single bytes.": partial(
            make, layout=lambda merged, names: right(merged, names)[:0] + merged + names
        ),
        "the special tokens are sorted; keep their order.": partial(
            make, layout=lambda merged, names: right(merged, sorted(names))
        ),
        "a merged token is a pair; join its two byte strings.": partial(make, join=lambda p: p),
        "a merged token is joined the wrong way round.": partial(make, join=lambda p: p[1] + p[0]),
        "a special token is a str; every token is a byte string.": partial(make, spelled=str),
        "ids are counted from 1; the first is 0.": partial(make, start=1),
        "bytes above 127 are two bytes long; bytes([195]) is one, chr(195).encode() is two.": (
            partial(_code_points, make)
        ),
        "it is turned round; the vocabulary leads from an id to its bytes.": lambda *case: {
            token: i for i, token in make(*case).items()
        },
    }


def _lowest_rank(found: list[Pair], ranks: dict[Pair, int]) -> Pair:
    return min(found, key=lambda pair: ranks[pair])


def encode_word(
    word: bytes,
    ranks: dict[Pair, int],
    *,
    choose=_lowest_rank,
    join=merge_word,
    rounds: int = FOREVER,
    least: int = 1,
) -> list[bytes]:
    tokens = tuple([bytes([byte]) for byte in word])
    for _ in range(min(rounds, len(word) + 1)):  # some bugs would never end
        found = [pair for pair in zip(tokens, tokens[1:], strict=False) if pair in ranks]
        if len(found) < least:
            break
        tokens = join(tokens, choose(found, ranks))
    return list(tokens)


def _longest_token(word: bytes, ranks: dict[Pair, int]) -> list[bytes]:
    known, tokens = {a + b for a, b in ranks}, []
    while word:
        fits = [n for n in range(len(word), 1, -1) if word[:n] in known]
        tokens.append(word[: fits[0]] if fits else word[:1])
        word = word[len(tokens[-1]) :]
    return tokens


def _one_pass(word: bytes, ranks: dict[Pair, int]) -> list[bytes]:
    tokens: list[bytes] = []
    for byte in word:
        token = bytes([byte])
        if tokens and (tokens[-1], token) in ranks:
            tokens[-1] += token
        else:
            tokens.append(token)
    return tokens


ENCODE_WORD_BUGS = {
    "the most frequent pair of the word is joined first; the lowest rank comes first.": partial(
        encode_word, choose=lambda found, ranks: max(found, key=found.count)
    ),
    "the leftmost pair is joined first; the lowest rank comes first, wherever it stands.": partial(
        encode_word, choose=lambda found, ranks: found[0]
    ),
    "the highest rank is joined first; the lowest comes first.": partial(
        encode_word, choose=lambda found, ranks: max(found, key=lambda pair: ranks[pair])
    ),
    "the greatest pair is joined first; that rule is for training, here rank decides.": partial(
        encode_word, choose=lambda found, ranks: max(found)
    ),
    "the longest token that fits is taken; join pairs by rank.": _longest_token,
    "the word is read once from left to right; join pairs by rank.": _one_pass,
    "it stops after one merge.": partial(encode_word, rounds=1),
    "no pair is joined.": partial(encode_word, rounds=0),
    "it crashes when no pair has a rank; return the tokens as they are.": partial(
        encode_word, least=0
    ),
    "overlapping pairs are joined twice; after a merge move on by two.": partial(
        encode_word, join=partial(merge_word, step=1)
    ),
    "the last token is lost.": partial(encode_word, join=partial(merge_word, spare=1)),
}


def _ids_of(vocab: Vocab) -> dict[bytes, int]:
    return {token: i for i, token in vocab.items()}


def encode_text(
    text: str,
    vocab: Vocab,
    merges: list[Pair],
    specials: list[str],
    *,
    split=split_specials,
    cut=pretokens,
    number=_ids_of,
    whole=lambda piece: [piece.encode("utf-8")],
) -> list[int]:
    ids, ranks = number(vocab), {pair: rank for rank, pair in enumerate(merges)}
    tokens = []
    for piece in split(text, specials):
        if piece in specials:
            tokens += whole(piece)
        else:
            tokens += [t for word in cut(piece) for t in encode_word(word.encode("utf-8"), ranks)]
    return [ids[token] for token in tokens]


def _bytes_by_number(vocab: Vocab) -> dict[bytes, int]:
    return _ids_of(vocab) | {token: token[0] for token in _single}


def _ids_in_a_row(vocab: Vocab) -> dict[bytes, int]:
    tokens = [vocab[i] for i in sorted(vocab)]
    return {token: i for i, token in enumerate(tokens)}


ENCODE_TEXT_BUGS = {
    "special tokens are cut like other text; each is one id.": partial(
        encode_text, split=lambda text, specials: [text]
    ),
    "the shortest special token is found first; the longest comes first.": partial(
        encode_text,
        split=lambda text, names: split_specials(
            text, names, order=lambda names: longest_first(names)[::-1]
        ),
    ),
    "special tokens are left out of the ids.": partial(encode_text, whole=lambda piece: []),
    "merges cross the borders of pre-tokens; encode each pre-token by itself.": partial(
        encode_text, cut=lambda piece: [piece]
    ),
    "spaces are lost; cut with pretokens.": partial(encode_text, cut=str.split),
    "a byte is taken for its own id; look it up in vocab.": partial(
        encode_text, number=_bytes_by_number
    ),
    "ids are counted in the order of vocab; look them up, some may be missing.": partial(
        encode_text, number=_ids_in_a_row
    ),
    "the pieces are joined with a space between them.": partial(
        encode_text,
        split=lambda text, names: [
            piece if piece in names else f"{piece} " for piece in split_specials(text, names)
        ],
    ),
}


def decode_ids(ids: list[int], vocab: Vocab, *, errors: str = "replace") -> str:
    return b"".join([vocab[i] for i in ids]).decode("utf-8", errors)


DECODE_IDS_BUGS = {
    "tokens are decoded one by one, but a character may span several.": lambda ids, vocab: "".join(
        [decode_ids([i], vocab) for i in ids]
    ),
    "it crashes on bytes that are no UTF-8; decode with errors='replace'.": partial(
        decode_ids, errors="strict"
    ),
    "bytes that are no UTF-8 are left out; decode with errors='replace'.": partial(
        decode_ids, errors="ignore"
    ),
    "each byte becomes a character of its own; decode them as UTF-8.": lambda ids, vocab: b"".join(
        [vocab[i] for i in ids]
    ).decode("latin-1"),
    "ids are taken for bytes; look each up in vocab.": lambda ids, vocab: bytes(
        [i % 256 for i in ids]
    ).decode("utf-8", "replace"),
    "there is a space between the tokens.": lambda ids, vocab: b" ".join(
        [vocab[i] for i in ids]
    ).decode("utf-8", "replace"),
    "the answer is a byte string; decode it as UTF-8.": lambda ids, vocab: b"".join(
        [vocab[i] for i in ids]
    ),
}


def stream_text(
    ids: list[int], vocab: Vocab, *, errors: str = "replace", flush: bool = True
) -> list[str]:
    decoder = _decoder(errors)
    last = len(ids) - 1
    return [decoder.decode(vocab[i], n == last and flush) for n, i in enumerate(ids)]


def _all_or_nothing(ids: list[int], vocab: Vocab, *, flush: bool = True) -> list[str]:
    """Holds everything back as soon as one byte is wrong."""
    pieces, held = [], b""
    for i in ids:
        held += vocab[i]
        try:
            pieces.append(held.decode("utf-8"))
            held = b""
        except UnicodeDecodeError:
            pieces.append("")
    if flush and ids:
        pieces[-1] += held.decode("utf-8", "replace")
    return pieces


def _growing(ids: list[int], vocab: Vocab) -> list[str]:
    pieces = stream_text(ids, vocab)
    return ["".join(pieces[: n + 1]) for n in range(len(pieces))]


def _added(ids: list[int], vocab: Vocab) -> list[str]:
    """What each id adds to the text, which it may have changed."""
    texts = [decode_ids(ids[:n], vocab) for n in range(len(ids) + 1)]
    return [text[len(before) :] for before, text in zip(texts, texts[1:], strict=False)]


def _one_more(ids: list[int], vocab: Vocab) -> list[str]:
    pieces = stream_text(ids, vocab, flush=False)
    return [*pieces, decode_ids(ids, vocab)[len("".join(pieces)) :]]


STREAM_BUGS = {
    "each token is decoded by itself; keep bytes that may still become a character.": (
        lambda ids, vocab: [decode_ids([i], vocab) for i in ids]
    ),
    "one byte that is no UTF-8 holds back all that follows; print � for it and go on.": (
        _all_or_nothing
    ),
    "one byte that is no UTF-8 holds back all that follows, for good; print � and go on.": partial(
        _all_or_nothing, flush=False
    ),
    "an unfinished character is given as � before its other bytes come; wait for them.": _added,
    "there is a piece more than ids; what is left belongs to the last one.": _one_more,
    "bytes that are left at the end are lost; they become � in the last piece.": partial(
        stream_text, flush=False
    ),
    "bytes that are no UTF-8 are left out; they become �.": partial(stream_text, errors="ignore"),
    "it crashes on bytes that are no UTF-8; they become �.": partial(stream_text, errors="strict"),
    "nothing comes before the end; give what is complete after each token.": lambda ids, vocab: (
        [""] * (len(ids) - 1) + [decode_ids(ids, vocab)] if ids else []
    ),
    "each piece repeats the text before it; give only what is new.": _growing,
    "pieces without text are left out; give one for each id.": lambda ids, vocab: [
        piece for piece in stream_text(ids, vocab) if piece
    ],
    "the answer is one str; give a list with a piece for each id.": lambda ids, vocab: decode_ids(
        ids, vocab
    ),
}


def _next_free(vocab: Vocab) -> int:
    return max(vocab) + 1


def add_special(
    vocab: Vocab, name: str, *, new_id=_next_free, spelled=str.encode, keep=lambda vocab: vocab
) -> Vocab:
    return {**keep(vocab), new_id(vocab): spelled(name)}


def _gap(vocab: Vocab) -> int:
    return next(i for i in range(max(vocab) + 2) if i not in vocab)


ADD_SPECIAL_BUGS = {
    "the id is len(vocab), which is taken where ids are missing.": partial(add_special, new_id=len),
    "the id of a token that was removed is used again; old texts may hold it.": partial(
        add_special, new_id=_gap
    ),
    "the greatest id is overwritten; the new one comes after it.": partial(add_special, new_id=max),
    "an id is left free; the new one follows the greatest.": partial(
        add_special, new_id=lambda vocab: max(vocab) + 2
    ),
    "the new token is a str; every token is a byte string.": partial(add_special, spelled=str),
    "the ids are counted anew; every token keeps its id.": partial(
        add_special,
        new_id=len,
        keep=lambda vocab: dict(enumerate([vocab[i] for i in sorted(vocab)])),
    ),
    "the other tokens are lost.": partial(add_special, keep=lambda vocab: {}),
}

ROLES = ["<|user|>", "<|end|>"]


def chat_ids(
    message: str,
    encode: Encode,
    *,
    before: str = ROLES[0],
    after: str = ROLES[1],
    frame=ROLES,
    inside=(),
) -> list[int]:
    parts = [(before, frame), (message, inside), (after, frame)]
    return [i for text, names in parts for i in encode(text, list(names))]


def _without_names(message: str, encode: Encode) -> list[int]:
    for name in ROLES:
        message = message.replace(name, "")
    return chat_ids(message, encode)


CHAT_BUGS = {
    "special tokens are recognized in the user's text; encode that part with [].": partial(
        chat_ids, inside=ROLES
    ),
    "the frame is encoded without special tokens, so its signs are ordinary text.": partial(
        chat_ids, frame=()
    ),
    "the names are taken out of the message; the user may write what she likes.": _without_names,
    "the message is changed at its ends; encode it as it is.": lambda message, encode: chat_ids(
        message.strip(), encode
    ),
    "the sign <|end|> is missing.": partial(chat_ids, after=""),
    "the sign <|user|> is missing.": partial(chat_ids, before=""),
    "the two signs are exchanged.": partial(chat_ids, before=ROLES[1], after=ROLES[0]),
    "a space is added beside the message.": lambda message, encode: chat_ids(f" {message}", encode),
    "only <|end|> is kept out of the user's text; <|user|> is a sign too.": partial(
        chat_ids, inside=ROLES[:1]
    ),
    "only <|user|> is kept out of the user's text; <|end|> is a sign too.": partial(
        chat_ids, inside=ROLES[1:]
    ),
}
