"""How fast byte-pair encoding trains and encodes, beside tiktoken: ``python benchmarks/bpe.py``.

The corpus is Tiny Shakespeare if there is a copy or a network, else the Python docs.
"""

from time import perf_counter

from llm.data import Corpus, text_corpus
from llm.tokenization import BPETokenizer


def seconds(function, *arguments) -> float:
    """Wall-clock seconds of one call."""
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


def larger_corpus() -> Corpus:
    try:
        return text_corpus("tinyshakespeare")
    except ValueError:
        return text_corpus("python-docs")


def main() -> None:
    corpus = larger_corpus()
    text = corpus.text
    for size, vocab_size in ((130_000, 500), (len(text), 1024)):
        taken = seconds(BPETokenizer.train, text[:size], vocab_size)
        print(
            f"train {vocab_size:5,} tokens on {size:9,} characters of {corpus.name}: {taken:.2f} s"
        )
    tokenizer = BPETokenizer.train(text, 1024)
    fast = tokenizer.to_tiktoken()
    ours, theirs = seconds(tokenizer.encode, text), seconds(fast.encode, text)
    print(
        f"encode {len(text):,} characters: {ours:.2f} s, {ours / theirs:.1f} times tiktoken's time"
    )


if __name__ == "__main__":
    main()
