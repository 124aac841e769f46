"""The checks of the tokenizer assignment: bugs get their names, right solutions pass."""

import builtins
import re
from functools import partial

import pytest
import regex
import torch
from planted import assert_named_alone

from llm import BPETokenizer
from llm.checks import CheckFailed
from llm.checks import tokenization_ids as ids_checks
from llm.checks import tokenization_ids_bugs as ids_known
from llm.checks import tokenization_words as words_checks
from llm.checks import tokenization_words_bugs as words_known
from llm.checks.predictions import check_prediction
from llm.pretokens import GPT2_PATTERN

SEEDS = range(12)
LEARN = {
    ties: partial(words_checks.check_learn_merges, ties=ties) for ties in words_known.TIE_RULES
}
VOCAB = {place: partial(ids_checks.check_make_vocab, specials=place) for place in ids_known.LAYOUTS}
CATALOGUES = [
    (words_checks.check_split_specials, words_known.SPLIT_BUGS),
    (words_checks.check_count_words, words_known.WORD_BUGS),
    (words_checks.check_pair_counts, words_known.PAIR_BUGS),
    (words_checks.check_merge_words, words_known.MERGE_WORDS_BUGS),
    *[(LEARN[ties], words_known.learn_bugs(ties)) for ties in LEARN],
    *[(VOCAB[place], ids_known.vocab_bugs(place)) for place in VOCAB],
    (ids_checks.check_encode_word, ids_known.ENCODE_WORD_BUGS),
    (ids_checks.check_encode_text, ids_known.ENCODE_TEXT_BUGS),
    (ids_checks.check_decode_ids, ids_known.DECODE_IDS_BUGS),
    (ids_checks.check_stream_text, ids_known.STREAM_BUGS),
    (ids_checks.check_add_special, ids_known.ADD_SPECIAL_BUGS),
    (ids_checks.check_chat_ids, ids_known.CHAT_BUGS),
]
PLANTED = [(check, sentence, bugs) for check, bugs in CATALOGUES for sentence in bugs]


@pytest.mark.parametrize("check, sentence, bugs", PLANTED, ids=[p[1][:40] for p in PLANTED])
def test_each_bug_gets_its_name_and_no_other(check, sentence, bugs):
    assert_named_alone(check, bugs, sentence, SEEDS)


def test_sentences_are_short():
    assert all(len(s) < 100 and s.endswith(".") for _, s, _ in PLANTED)


# Solutions as a learner may write them, apart from the references of the checks


def split_specials(text, specials):
    pieces, start = [], 0
    names = sorted(specials, key=len, reverse=True)
    i = 0
    while i < len(text):
        name = next((n for n in names if text.startswith(n, i)), None)
        if name is None:
            i += 1
            continue
        pieces += [text[start:i], name]
        i = start = i + len(name)
    return [piece for piece in [*pieces, text[start:]] if piece]


def count_words(text, specials):
    counts = {}
    for piece in split_specials(text, specials):
        if piece not in specials:
            for word in regex.findall(GPT2_PATTERN, piece):
                key = tuple(bytes([byte]) for byte in word.encode())
                counts[key] = counts.get(key, 0) + 1
    return counts


def pair_counts(words):
    counts = {}
    for word, n in words.items():
        for i in range(len(word) - 1):
            counts[word[i : i + 2]] = counts.get(word[i : i + 2], 0) + n
    return counts


def merge_words(words, pair):
    def joined(word):
        tokens = list(word)
        for i in range(len(tokens) - 1):
            if tuple(tokens[i : i + 2]) == pair:
                tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
        return tuple(tokens)

    return {joined(word): n for word, n in words.items()}


def learn(words, n_merges, choose):
    merges = []
    for _ in range(n_merges):
        counts = pair_counts(words)
        if not counts:
            break
        merges.append(choose(counts))
        words = merge_words(words, merges[-1])
    return merges


def learn_greatest(words, n_merges):
    return learn(words, n_merges, lambda counts: max(counts, key=lambda p: (counts[p], p)))


def learn_first(words, n_merges):
    return learn(words, n_merges, lambda counts: sorted(counts, key=counts.get, reverse=True)[0])


def vocab_last(merges, specials):
    vocab = {i: bytes([i]) for i in range(256)}
    for a, b in merges:
        vocab[len(vocab)] = a + b
    for name in specials:
        vocab[len(vocab)] = name.encode()
    return vocab


def vocab_first(merges, specials):
    tokens = [s.encode() for s in specials] + [bytes([i]) for i in range(256)]
    return dict(enumerate(tokens + [a + b for a, b in merges]))


def encode_word(word, ranks):
    tokens = tuple(bytes([byte]) for byte in word)
    for pair in sorted(ranks, key=ranks.get):
        ((tokens, _),) = merge_words({tokens: 1}, pair).items()
    return list(tokens)


def encode_text(text, vocab, merges, specials):
    return BPETokenizer(vocab, merges, specials).encode(text)


def decode_ids(ids, vocab):
    return b"".join(vocab[i] for i in ids).decode(errors="replace")


def stream_text(ids, vocab):
    """What is certain after each token is what no possible ending changes."""
    said, pieces = "", []
    for n in range(1, len(ids) + 1):
        text = decode_ids(ids[:n], vocab)
        if n < len(ids):
            raw = b"".join(vocab[i] for i in ids[:n])
            held = next((k for k in (1, 2, 3) if _begins(raw[-k:], k)), 0)
            text = raw[: len(raw) - held].decode(errors="replace")
        pieces.append(text[len(said) :])
        said = text
    return pieces


def _begins(tail, k):
    needed = {1: range(0xC2, 0xF5), 2: range(0xE0, 0xF5), 3: range(0xF0, 0xF5)}[k]
    return len(tail) == k and tail[0] in needed and all(byte & 0xC0 == 0x80 for byte in tail[1:])


def add_special(vocab, name):
    more = dict(vocab)
    more[max(vocab) + 1] = name.encode()
    return more


def chat_ids(message, encode):
    signs = ["<|user|>", "<|end|>"]
    return encode("<|user|>", signs) + encode(message, []) + encode("<|end|>", signs)


SOLUTIONS = [
    (words_checks.check_split_specials, split_specials),
    (words_checks.check_count_words, count_words),
    (words_checks.check_pair_counts, pair_counts),
    (words_checks.check_merge_words, merge_words),
    (LEARN["greatest"], learn_greatest),
    (LEARN["first"], learn_first),
    (VOCAB["last"], vocab_last),
    (VOCAB["first"], vocab_first),
    (ids_checks.check_encode_word, encode_word),
    (ids_checks.check_encode_text, encode_text),
    (ids_checks.check_decode_ids, decode_ids),
    (ids_checks.check_stream_text, stream_text),
    (ids_checks.check_add_special, add_special),
    (ids_checks.check_chat_ids, chat_ids),
]


@pytest.mark.parametrize("check, solution", SOLUTIONS)
def test_right_solutions_pass(check, solution):
    for seed in SEEDS:
        passed = check(solution, seed=seed)
    assert re.fullmatch(r"✓ \w+ is correct in all \d+ cases", repr(passed))


def test_the_reference_learns_what_the_book_learns():
    text = "The cat sat on the mat. the mat, that cat <|end|> and the hat" * 3
    words = words_known.count_words(text, ["<|end|>"])
    book = BPETokenizer.train(text, 280, ["<|end|>"])
    assert words_known.learn_merges(words, 23) == book.merges
    assert ids_known.make_vocab(book.merges, ["<|end|>"]) == book.vocab


# Bugs written as learners write them


def replaces_in_text(words, pair):
    a, b = pair
    joined = {}
    for word, n in words.items():
        text = b"\0".join(word).replace(a + b"\0" + b, a + b)
        joined[tuple(text.split(b"\0"))] = n
    return joined


def splits_unescaped(text, specials):
    if not specials:
        return [text] if text else []
    names = "|".join(sorted(specials, key=len, reverse=True))
    return [piece for piece in re.split(f"({names})", text) if piece]


def holds_until_valid(ids, vocab):
    pieces, held = [], b""
    for i in ids:
        held += vocab[i]
        try:
            pieces.append(held.decode())
            held = b""
        except UnicodeDecodeError:
            pieces.append("")
    if held:
        pieces[-1] += held.decode(errors="replace")
    return pieces


@pytest.mark.parametrize(
    "check, solution, message",
    [
        (words_checks.check_merge_words, replaces_in_text, "inside longer tokens"),
        (LEARN["greatest"], learn_first, "ties go to the greatest pair; yours go to the pair met"),
        (LEARN["first"], learn_greatest, "ties go to the pair met first; yours go to the greatest"),
        (VOCAB["last"], vocab_first, "special tokens last; yours have the special tokens first"),
        (VOCAB["first"], vocab_last, "special tokens come first.* yours have .* tokens last"),
        (ids_checks.check_stream_text, holds_until_valid, "holds back all that follows"),
        (ids_checks.check_add_special, lambda v, n: v | {len(v): n.encode()}, "len.vocab."),
        (words_checks.check_pair_counts, lambda words: None, "is the return missing"),
        (words_checks.check_pair_counts, {}, "pass the function itself"),
        (ids_checks.check_chat_ids, lambda m, encode: encode(m, [])[:0], r"chat_ids\(.*encode\)"),
    ],
)
def test_learners_bugs_get_their_names(check, solution, message):
    for seed in SEEDS:
        with pytest.raises(CheckFailed, match=message):
            check(solution, seed=seed)


def test_names_read_as_patterns_do_not_pass():
    with pytest.raises((CheckFailed, re.error)):
        words_checks.check_split_specials(splits_unescaped)


# The prediction: hugs once, pug three times, bun once


@pytest.mark.parametrize("ties, right", [("greatest", (b"ug", b"s")), ("first", (b"h", b"ug"))])
def test_the_third_merge(ties, right):
    assert repr(words_checks.check_third_merge(right, ties=ties)).startswith("✓ third_merge")


@pytest.mark.parametrize(
    "given, message",
    [
        (None, "not answered yet"),
        ((b"h", b"ug"), "ties go to the greatest pair; yours go to the pair met first"),
        ((b"p", b"ug"), "yours is the second"),
        ((b"u", b"g"), "yours is the first"),
        (b"ugs", "are joined byte strings; list the pairs"),
        ("ugs", "of type str; give a tuple"),
        (("ug", "s"), "a token is a byte string"),
    ],
)
def test_wrong_predictions_hear_why_and_not_what(given, message):
    with pytest.raises(CheckFailed, match=message) as caught:
        words_checks.check_third_merge(given)
    assert "b'ug', b's'" not in str(caught.value)


def test_predicted_numbers():
    wrong = {"that is twice as much.": 5.0}
    assert check_prediction("x", 2.501, 2.5, {}) and check_prediction("x", 3.0, 3, {})
    kinds = [("2.5", "type str"), (True, "type bool"), (torch.tensor(2.5), "give a plain number")]
    for given, message in [(5, "twice as much. You said 5"), (2, "2 is not it"), *kinds]:
        with pytest.raises(CheckFailed, match=message):
            check_prediction("x", given, 2.5, wrong)


def test_tricks_fool_nothing(monkeypatch):
    answers = {"all": True, "any": True, "max": 0, "sorted": [], "zip": [], "abs": 0}
    wrong = [
        (words_checks.check_pair_counts, lambda words: {(b"a", b"a"): 99}),
        (ids_checks.check_decode_ids, lambda ids, vocab: "?"),
        (ids_checks.check_make_vocab, lambda merges, specials: {0: b"?"}),
    ]
    for name, answer in answers.items():
        for check, solution in wrong:
            with monkeypatch.context() as patch:
                patch.setattr(builtins, name, lambda *_, answer=answer, **__: answer)
                outcome = refused(check, solution)
            assert outcome, (name, check)


def refused(check, solution):
    try:
        check(solution)
    except CheckFailed:
        return True
    return False
