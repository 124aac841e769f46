"""Byte-pair encoding against a naive trainer, tiktoken, OpenAI's own files and random text."""

import base64
import hashlib
import itertools
import json
import pickle
import random
import sys
import time
import tracemalloc
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import regex
import tiktoken
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import llm
from llm.bpe import apply_merges, learn_merges, merge_pair, recover_merges, split_bytes
from llm.data import text_corpus
from llm.pretokens import PreTokenizer
from llm.tokenization import GPT2_PATTERN, BPETokenizer, CharTokenizer, gpt2_tokenizer
from llm.tokenizer_files import from_visible, to_visible

ASSET = Path(llm.__file__).parent / "assets" / "gpt2.tiktoken"
CL100K = (  # the pattern of GPT-4, to show that streams hold for other patterns
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
SPECIALS = ["<|endoftext|>", "<|endoftext|><|endoftext|>", "<|end", "ll<", " x"]
NASTY = st.lists(
    st.sampled_from([*" \n\t'reldvsx19<|>é🦙", "  ", "'ll", "'re", "<|end", "oftext|>", *SPECIALS]),
    max_size=30,
).map("".join)
quick = settings(derandomize=True, max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def gpt2():
    return gpt2_tokenizer()


@pytest.fixture(scope="module")
def reference():
    """tiktoken's GPT-2, built from OpenAI's file of ranks as tiktoken itself does."""
    lines = (line.split() for line in ASSET.read_bytes().splitlines())
    return tiktoken.Encoding(
        "gpt2",
        pat_str=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
        r"|\s++$|\s+(?!\S)|\s",
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in lines},
        special_tokens={"<|endoftext|>": 50256},
        explicit_n_vocab=50257,
    )


@pytest.fixture(scope="module")
def docs():
    return text_corpus("python-docs").text


@pytest.fixture(scope="module")
def trained(docs):
    return BPETokenizer.train(docs[:100_000], 400, SPECIALS)


@pytest.fixture(scope="module")
def shakespeare():
    try:
        return text_corpus("tinyshakespeare").text
    except ValueError:
        pytest.skip("no Tiny Shakespeare: set LLM_DATA_DIR to a folder with tinyshakespeare.txt")


def naive_merges(text, n_merges, pattern=GPT2_PATTERN):
    """The oracle: count every pair of every word again before each merge."""
    words = [split_bytes(word.encode()) for word in regex.findall(pattern, text)]
    merges = []
    while len(merges) < n_merges:
        counts = Counter(pair for word in words for pair in zip(word, word[1:], strict=False))
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [word[i] + word[i + 1]]
                i += 1
        merges.append(best)
    return merges


# Training


def test_merges_by_hand():
    # "aab" twice and "ab" once: ab 3 times, aa twice; then (a, ab) twice
    assert learn_merges({b"aab": 2, b"ab": 1}, 9) == [(b"a", b"b"), (b"a", b"ab")]


def test_ties_go_to_the_greatest_pair_of_byte_strings():
    assert learn_merges({b"ab": 1, b"ba": 1, b"aa": 1}, 1) == [(b"b", b"a")]
    assert learn_merges({b"xyz": 2, b"xyq": 1, b"xz": 3, b"zz": 3}, 1) == [(b"z", b"z")]


@pytest.mark.parametrize(
    "text",
    [
        "low lower lowest newest widest " * 3,
        "aaaa aaa aa a " * 5,
        "abababab bababa",
        "🦙é🦙 é",
        "x",
        "",
    ],
)
def test_training_equals_the_naive_trainer(text):
    tokenizer = BPETokenizer.train(text, 300)
    assert tokenizer.merges == naive_merges(text, 44)


def test_training_on_real_text_equals_the_naive_trainer(docs):
    assert BPETokenizer.train(docs[:20_000], 400).merges == naive_merges(docs[:20_000], 144)


@quick
@given(st.text(st.sampled_from("ab cé\n"), max_size=60), st.integers(0, 40))
def test_training_on_random_text_equals_the_naive_trainer(text, n_merges):
    assert BPETokenizer.train(text, 256 + n_merges).merges == naive_merges(text, n_merges)


def test_ids_are_bytes_then_merges_then_specials():
    tokenizer = BPETokenizer.train("low lower lowest", 261, ["<s>", "</s>"])
    assert [tokenizer.vocab[i] for i in range(256)] == split_bytes(bytes(range(256)))
    assert [tokenizer.vocab[i] for i in range(256, 261)] == [
        b"ow",
        b"low",
        b"lowe",
        b"<s>",
        b"</s>",
    ]
    assert tokenizer.special_tokens == {"<s>": 259, "</s>": 260}
    assert tokenizer.encode("lower<s>") == [258, 114, 259]


def test_special_tokens_are_cut_out_before_counting():
    text = "ab<s>ab<s>ss"
    cut = BPETokenizer.train(text, 260, ["<s>"], pattern=r"\S+")
    assert cut.merges == [(b"a", b"b"), (b"s", b"s")]
    assert (b"s", b">") in BPETokenizer.train(text, 260, pattern=r"\S+").merges


def test_training_stops_early_when_no_pair_is_left():
    tokenizer = BPETokenizer.train("ab ab", 1000, ["<s>"])
    assert len(tokenizer.vocab) == 256 + 2 + 1
    assert len(BPETokenizer.train("", 300).vocab) == 256


def test_a_file_and_chunks_train_like_the_text(tmp_path, docs):
    text = docs[:30_000].replace("\n\n", "\r\n")
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    merges = BPETokenizer.train(text, 320).merges
    assert BPETokenizer.train(path, 320).merges == merges
    assert (
        BPETokenizer.train((text[i : i + 7] for i in range(0, len(text), 7)), 320).merges == merges
    )


def test_training_is_fast(docs):
    start = time.process_time()
    tokenizer = BPETokenizer.train(docs[:130_000], 500)
    assert time.process_time() - start < 3  # takes 0.2 s; the limit allows for a busy machine
    assert len(tokenizer.vocab) == 500


def test_shakespeare_trains_in_seconds(shakespeare):
    start = time.process_time()
    tokenizer = BPETokenizer.train(shakespeare, 1024)
    assert time.process_time() - start < 20  # takes 2 s
    assert len(tokenizer.merges) == 768
    assert tokenizer.merges[:3] == [(b" ", b"t"), (b"h", b"e"), (b" ", b"a")]


# Encoding and decoding


def test_rank_decides_not_frequency_or_place():
    ranks = {(b"b", b"c"): 0, (b"a", b"b"): 1}
    assert apply_merges(split_bytes(b"abc"), ranks) == [b"a", b"bc"]
    assert apply_merges(split_bytes(b"abababc"), ranks) == [b"ab", b"ab", b"a", b"bc"]


@quick
@given(st.text(st.sampled_from("abc"), max_size=30), st.text(st.sampled_from("abc"), max_size=30))
def test_the_heap_equals_merging_round_by_round(learned, text):
    merges = learn_merges({learned.encode(): 1}, 20)
    tokens = split_bytes(text.encode())
    for pair in merges:
        tokens = merge_pair(tokens, pair)
    assert apply_merges(split_bytes(text.encode()), {p: i for i, p in enumerate(merges)}) == tokens


@quick
@given(st.text())
def test_text_comes_back(trained, text):
    assert trained.decode(trained.encode(text)) == text


def test_any_pattern_gives_the_text_back():
    tokenizer = BPETokenizer.train("one two  three", 262, pattern=r"(\w)\w+")
    assert tokenizer.decode(tokenizer.encode("one, two!  é")) == "one, two!  é"
    assert tokenizer.pretokens("one, two") == ["one", ",", " ", "two"]


def test_decoding_replaces_bytes_that_are_no_utf8(gpt2):
    llama = gpt2.encode("🦙")
    assert len(llama) > 1 and gpt2.decode(llama) == "🦙"
    assert gpt2.decode(llama[:1]) == "�"
    assert b"".join(gpt2.decode_bytes([i]) for i in llama) == "🦙".encode()


def test_decoding_takes_tensors_and_arrays(trained):
    ids = trained.encode("tensors too")
    assert trained.decode(torch.tensor(ids)) == trained.decode(np.array(ids)) == "tensors too"


def test_specials_longest_first(trained):
    one, two, start = (trained.special_tokens[name] for name in SPECIALS[:3])
    text = "<|endoftext|><|endoftext|><|endoftext|><|end<|endof"
    assert trained.encode(text)[:4] == [two, one, start, start]
    assert trained.decode(trained.encode(text)) == text


def test_long_runs_take_seconds_at_most(gpt2):
    letters = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=100_000))
    for text in ("a" * 100_000, " " * 100_000, letters):
        start = time.process_time()
        ids = gpt2.encode(text)
        assert time.process_time() - start < 5  # takes 0.3 s
        assert gpt2.decode(ids) == text


def test_the_cache_stays_small(trained):
    trained.encode(" ".join(str(n) for n in range(20_000)) + "x" * 10_000)
    assert len(trained._cache) <= 4096 and max(map(len, trained._cache)) <= 32


def test_steps_lead_from_bytes_to_the_ids(trained):
    text = "it's the <|endoftext|>tokenizer"
    steps = trained.steps(text)
    assert steps[0].pair is None and steps[0].tokens[:2] == [b"i", b"t"]
    assert b"<|endoftext|>" in steps[0].tokens
    assert [trained.merges[step.rank] for step in steps[1:]] == [step.pair for step in steps[1:]]
    assert all(b"".join(step.tokens).decode() == text for step in steps)
    assert steps[-1].tokens == [trained.vocab[i] for i in trained.encode(text)]
    assert trained.steps("")[0].tokens == []


@quick
@given(NASTY)
def test_the_last_step_is_the_encoding(trained, text):
    assert trained.steps(text)[-1].tokens == [trained.vocab[i] for i in trained.encode(text)]


def test_pickled_tokenizers_work(trained):
    assert pickle.loads(pickle.dumps(trained)).encode("once more") == trained.encode("once more")


# Streams


def cut(text, places):
    borders = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(borders)]


@pytest.mark.parametrize("pattern", [GPT2_PATTERN, CL100K])
@pytest.mark.parametrize("specials", [[], SPECIALS, ["ab", "xabyy", "abab"]])
@settings(quick, max_examples=200)
@given(text=NASTY | st.text("abxy ", max_size=20), places=st.lists(st.integers(0, 200), max_size=6))
def test_any_chunking_gives_the_same_pieces(pattern, specials, text, places):
    pretokenizer = PreTokenizer(pattern, specials)
    whole = list(pretokenizer.pieces([text]))
    assert "".join(whole) == text
    assert list(pretokenizer.pieces(text)) == whole  # one character at a time
    assert list(pretokenizer.pieces(cut(text, places))) == whole


@quick
@given(NASTY, st.lists(st.integers(0, 200), max_size=6))
def test_any_chunking_gives_the_same_ids(trained, text, places):
    assert list(trained.encode_iterable(cut(text, places))) == trained.encode(text)


def test_pieces_between_specials_are_cut_as_if_alone():
    pretokenizer = PreTokenizer(GPT2_PATTERN, SPECIALS)
    found = list(pretokenizer.pieces(["it's  <|endoftext|>  so"]))
    assert found == ["it", "'s", "  ", "<|endoftext|>", " ", " so"]


def test_streams_are_lazy(trained):
    endless = itertools.repeat("again and again ")
    assert (
        list(itertools.islice(trained.encode_iterable(endless), 5))
        == trained.encode("again and again " * 3)[:5]
    )


def test_one_character_at_a_time_takes_linear_time(trained):
    def taken(n):
        start = time.process_time()
        assert sum(1 for _ in trained.encode_iterable(iter("a" * n))) > 0
        return time.process_time() - start

    assert taken(200_000) < 5  # takes 0.3 s; scanning at each character would take minutes


def stream_peak(tokenizer, n_chunks, chunk):
    ids = tokenizer.encode_iterable(chunk for _ in range(n_chunks))
    tracemalloc.start()
    try:
        count = sum(1 for _ in ids)
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_streams_use_constant_memory(trained, docs):
    count, peak = stream_peak(trained, 30, docs[:50_000])  # 1.5 MB
    assert count > 250_000 and peak < 5e6


@pytest.mark.slow
def test_20_megabytes_use_constant_memory(trained, docs):
    count, peak = stream_peak(trained, 400, docs[:50_000])
    assert count > 4_000_000 and peak < 5e6


# GPT-2


def test_gpt2_facts(gpt2):
    assert gpt2.encode("hello world") == [31373, 995]
    assert gpt2.encode(" the") == [262]
    assert gpt2.encode("The cat sat on the mat") == [464, 3797, 3332, 319, 262, 2603]
    assert gpt2.encode("<|endoftext|>") == [50256] and len(gpt2.vocab) == 50257
    assert len(gpt2.merges) == 50_000 and gpt2 is gpt2_tokenizer()


def test_openai_files_come_out_byte_for_byte(gpt2):
    # the hashes that tiktoken expects of vocab.bpe and encoder.json
    merges = "".join(" ".join(map(to_visible, pair)) + "\n" for pair in gpt2.merges)
    vocab = json.dumps({to_visible(token): i for i, token in gpt2.vocab.items()})
    assert hashlib.sha256(f"#version: 0.2\n{merges}".encode()).hexdigest() == (
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    )
    assert hashlib.sha256(vocab.encode()).hexdigest() == (
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
    )


def test_gpt2_ids_of_shakespeare_equal_tiktoken(gpt2, reference, shakespeare):
    assert gpt2.encode(shakespeare) == reference.encode(shakespeare)


def test_gpt2_ids_of_other_text_equal_tiktoken(gpt2, reference, docs):
    samples = [
        docs,
        "👩\u200d👩\u200d👧\u200d👦🇩🇪👍🏽🦙",
        "Ünï¢ödé naïve Straße İı x²",
        "नमस्ते दुनिया สวัสดี שלום مرحبا 你好 こんにちは 한국어 1234 12345 ١٢٣ Ⅷ ½",
        "".join(map(chr, range(256))),
        "\x00\x1c\x1d\x1e\x1f\x85\ufeff\u200b\u2028\u3000\u00a0 x",
        "I'll we'Re they've'd  \n\n\t  x   ",
        "a<|endoftext|>b<|endoftext",
    ]
    for text in samples:
        assert gpt2.encode(text) == reference.encode(text, allowed_special="all"), text[:40]


def test_gpt2_ids_of_random_text_equal_tiktoken(gpt2, reference):
    # Characters that the local Unicode tables know: the regex module and tiktoken's Rust crates
    # carry tables of different years and may not agree that a newer character is a letter.
    generator = random.Random(0)
    known = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in NEW]
    alphabets = [known, [c for c in known if ord(c) < 0x3000], list(" \n'resdlx1 \t\u00a0é🦙.")]
    for _ in range(10_000):
        text = "".join(generator.choices(generator.choice(alphabets), k=generator.randint(0, 20)))
        assert gpt2.encode(text) == reference.encode_ordinary(text), ascii(text)


NEW = {"Cn", "Cs"}  # not assigned; surrogates


def test_every_assigned_character_is_cut_as_tiktoken_cuts_it(gpt2, reference):
    # the neighbours show whether each is a letter, a number, white space or a sign
    skipped = NEW | {"Co"}  # private use, 137,468 characters that are all alike
    known = [
        c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in skipped
    ]
    for start in range(0, len(known), 4096):
        text = "".join(f"a{c} {c}9" for c in [*known[start : start + 4096], "\ue000"])
        assert gpt2.encode(text) == reference.encode_ordinary(text)


def test_our_tokenizer_inside_tiktoken(docs):
    tokenizer = BPETokenizer.train(docs, 1024, ["<|endoftext|>"])
    rust = tokenizer.to_tiktoken()
    text = docs[-50_000:] + "<|endoftext|>héllo 🦙 " + "ab" * 999
    assert rust.encode(text, allowed_special="all") == tokenizer.encode(text)
    assert rust.n_vocab == len(tokenizer.vocab) and rust.decode(tokenizer.encode(text)) == text


def test_tiktoken_is_refused_where_ids_would_differ():
    vocab = dict(enumerate(split_bytes(bytes(range(256))) + [b"bc", b"ab"]))
    with pytest.raises(ValueError, match="order of rank"):
        BPETokenizer(vocab, [(b"a", b"b"), (b"b", b"c")]).to_tiktoken()


def test_merges_are_recovered_from_tokens(trained):
    assert recover_merges(a + b for a, b in trained.merges) == trained.merges
    with pytest.raises(ValueError, match="abc.*3 parts"):
        recover_merges([b"abc"])


# Files


def test_saved_tokenizers_come_back(tmp_path, trained, gpt2):
    for tokenizer in (trained, gpt2):
        tokenizer.save(tmp_path / "tokenizer.json")
        again = BPETokenizer.load(str(tmp_path / "tokenizer.json"))
        assert vars(again) | {"_cache": 0, "_pretokenizer": 0} == (
            vars(tokenizer) | {"_cache": 0, "_pretokenizer": 0}
        )
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]
    assert '"Ġ t"' in (tmp_path / "tokenizer.json").read_text()


def test_a_failed_save_leaves_the_old_file(tmp_path, trained, monkeypatch):
    path = tmp_path / "tokenizer.json"
    trained.save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        trained.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_the_visible_alphabet_is_one_to_one():
    every = bytes(range(256))
    assert from_visible(to_visible(every)) == every
    assert len(set(to_visible(every))) == 256 and to_visible(every).isprintable()


def damaged_files(good):
    content = json.loads(good)
    yield "truncated", good[: len(good) // 2]
    yield "empty", b""
    yield "binary", b"\xff\x00\x01"
    yield "another format", b'{"version": "1.0", "model": {}}'
    yield "a list", b"[1, 2]"
    yield "newer", json.dumps(content | {"version": 2}).encode()
    yield "other kind", json.dumps(content | {"kind": "character"}).encode()
    yield "merge lost", json.dumps(content | {"merges": [*content["merges"], "q q"]}).encode()
    yield "half a merge", json.dumps(content | {"merges": ["a"]}).encode()
    yield "no vocab", json.dumps({k: v for k, v in content.items() if k != "vocab"}).encode()
    yield "text ids", json.dumps(content | {"vocab": {"a": "1"}}).encode()
    yield "bad pattern", json.dumps(content | {"pattern": "("}).encode()


def test_damaged_files_are_named(tmp_path, trained):
    trained.save(tmp_path / "good.json")
    for what, data in damaged_files((tmp_path / "good.json").read_bytes()):
        path = tmp_path / "bad.json"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="bad.json.*save the tokenizer again"):
            BPETokenizer.load(path)
            pytest.fail(what)


# Characters


def test_characters():
    tokenizer = CharTokenizer("hello")
    assert tokenizer.vocab == {0: "e", 1: "h", 2: "l", 3: "o"}
    assert tokenizer.encode("hole") == [1, 3, 2, 0] and tokenizer.decode([1, 3, 2, 0]) == "hole"
    assert repr(tokenizer) == "CharTokenizer(4 characters)"


def test_saved_characters_come_back(tmp_path):
    tokenizer = CharTokenizer('a\nb\x00é🦙"\\')
    tokenizer.save(tmp_path / "characters.json")
    assert CharTokenizer.load(tmp_path / "characters.json").vocab == tokenizer.vocab
    with pytest.raises(ValueError, match="characters.json"):
        BPETokenizer.load(tmp_path / "characters.json")


# What a reader can get wrong


BYTES = dict(enumerate(split_bytes(bytes(range(256)))))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (({0: b"a"}, []), "vocab lacks"),
        ((BYTES, [(b"a", b"b")]), "vocab lacks b'ab'"),
        ((BYTES | {256: b"abc"}, [(b"ab", b"c")]), "vocab lacks b'ab'"),
        ((BYTES | {256: b"a"}, []), "b'a'.*bytes of its own"),
        ((BYTES | {256: "ab"}, []), "'ab'"),
        (({v: k for k, v in BYTES.items()}, []), "each id"),
        ((BYTES | {256: b"ab"}, [(b"a", b"b"), (b"a", b"b")]), "more than once"),
        ((BYTES | {256: b"ab"}, [(b"a", b"b")], ["ab"]), "special token 'ab'"),
        ((BYTES, [], "<s>"), "special token '<'"),
        ((BYTES, [], ["<s>", "<s>"]), "special token '<s>'"),
        ((BYTES, [], [""]), "special token ''"),
        ((BYTES, [], [], "("), "no regular expression"),
        ((BYTES, [], [], r"\w*"), "empty text"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer(*arguments)


def test_a_special_in_the_vocabulary_keeps_its_id():
    vocab = {i + 7: token for i, token in BYTES.items()} | {3: b"<s>"}
    tokenizer = BPETokenizer(vocab, [], ["<s>", "</s>"])
    assert tokenizer.encode("a<s></s>") == [ord("a") + 7, 3, 263]
    assert 263 not in vocab  # the dictionary given is left alone


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: BPETokenizer.train("text", 258, ["<s>", "</s>", "<p>"]), "258.*need 259"),
        (lambda t: t.encode("broken \ud83e"), "surrogate"),
        (lambda t: t.decode([5, 999_999]), "999999 at position 1"),
        (lambda t: t.decode([5, -1]), "-1 at position 1"),
        (lambda t: t.decode([1.5]), "1.5 at position 0"),
        (lambda t: t.decode(torch.zeros(1, 3, dtype=torch.long)), "flat list"),
        (lambda t: CharTokenizer(""), "empty"),
        (lambda t: CharTokenizer("abc").encode("abxd"), "'d', 'x'"),
        (lambda t: CharTokenizer("abc").decode([3]), "3 at position 0"),
    ],
)
def test_bad_input_is_named(trained, call, message):
    with pytest.raises(ValueError, match=message):
        call(trained)
