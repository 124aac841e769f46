"""Corpora: what is built in, what is looked up or downloaded, and what is refused."""

import hashlib
import socket

import pooch
import pytest

from llm import data
from llm.data import Corpus, text_corpus


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No copy in LLM_DATA_DIR, an empty cache, and a network that refuses."""

    def refuse(*_, **__):
        raise socket.gaierror("no network in this test")

    monkeypatch.delenv("LLM_DATA_DIR", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    return tmp_path


def test_python_docs_are_built_in_and_repeatable(offline):
    corpus = text_corpus("python-docs")
    assert corpus == text_corpus("python-docs")
    assert len(corpus.text) > 300_000 and corpus.text.startswith('The "assert" statement')
    assert "\r" not in corpus.text and "PSF" in corpus.licence
    assert len(repr(corpus)) < 200


def test_corpora_cannot_be_changed():
    with pytest.raises(AttributeError):
        text_corpus("python-docs").text = ""


def test_a_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes("\ufeffnaïve 🦙\r\n".encode())
    expected = Corpus("mine", "naïve 🦙\r\n", source=str(path))
    assert text_corpus(path) == text_corpus(str(path)) == expected


@pytest.mark.parametrize(
    "content, message",
    [(None, "choose python-docs"), (b"", "is empty"), (b"caf\xe9", "not UTF-8 .byte 3 is 0xe9")],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"mine.txt.*{message}"):
        text_corpus(path)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="'tinyshakespear'.*python-docs, tinyshakespeare"):
        text_corpus("tinyshakespear")


def test_shakespeare_from_a_folder(monkeypatch, offline):
    text = "First Citizen:\n"
    monkeypatch.setenv("LLM_DATA_DIR", str(offline))
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_SHA256", hashlib.sha256(text.encode()).hexdigest())
    (offline / "tinyshakespeare.txt").write_text(text)
    assert text_corpus("tinyshakespeare").text == text


def test_shakespeare_with_a_wrong_checksum_is_refused(monkeypatch, offline):
    monkeypatch.setenv("LLM_DATA_DIR", str(offline))
    (offline / "tinyshakespeare.txt").write_text("To be, or not to be")
    with pytest.raises(ValueError, match="tinyshakespeare.txt is not Tiny Shakespeare.*sha256"):
        text_corpus("tinyshakespeare")


def test_shakespeare_from_the_cache_of_an_earlier_download(monkeypatch, offline):
    text = "First Citizen:\n"
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_SHA256", hashlib.sha256(text.encode()).hexdigest())
    (offline / "inside-an-llm").mkdir()
    (offline / "inside-an-llm" / "tinyshakespeare.txt").write_text(text)
    assert text_corpus("tinyshakespeare").text == text


@pytest.mark.parametrize("folder", [None, "empty"])
def test_shakespeare_without_network_says_what_to_do(monkeypatch, offline, folder):
    if folder:
        monkeypatch.setenv("LLM_DATA_DIR", str(offline))
    with pytest.raises(ValueError, match="LLM_DATA_DIR.*python-docs") as caught:
        text_corpus("tinyshakespeare")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_tampered_download_is_refused(monkeypatch, offline):
    def retrieve(url, known_hash, **_):
        raise ValueError(f"SHA256 hash of downloaded file does not match {known_hash}")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(ValueError, match="hash of downloaded file.*LLM_DATA_DIR"):
        text_corpus("tinyshakespeare")


def test_the_real_shakespeare():
    try:
        corpus = text_corpus("tinyshakespeare")
    except ValueError:
        pytest.skip("no Tiny Shakespeare: set LLM_DATA_DIR to a folder with tinyshakespeare.txt")
    assert len(corpus.text) == 1_115_394 and len(set(corpus.text)) == 65
