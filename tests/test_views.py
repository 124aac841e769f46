"""Views as Python gives them: complete, the same in every run, safe to inline, small."""

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llm.pretrained import load
from llm.tokenization import BPETokenizer, CharTokenizer, gpt2_tokenizer
from llm.views import TokenizerView, View
from llm.views import view as view_module
from llm.views.tokenizer_view import LIMIT, pack, visible
from llm.views.view import FOLDER, css_text, script_text, strings

TEXT = "low lower lowest, the cat sat on the mat"
HOSTILE = "</script><img src=x onerror=alert(1)><!-- \u2028 \u202e \x00 🦙"
VIEWS = (
    "tokenizer film quiz attention playground embedding positions block output "
    "switch lens scale family cache finetune"
).split()


@pytest.fixture(scope="module")
def own() -> BPETokenizer:
    return BPETokenizer.train(TEXT, 270, special_tokens=["<|end|>"])


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def payload(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_mimebundle_has_a_form_for_every_reader(own):
    bundle = TokenizerView(TEXT, own)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", "image/png"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert set(TokenizerView(TEXT)._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert "image/png" not in TokenizerView(TEXT)._repr_mimebundle_(exclude={"image/png"})


def test_bundle_is_the_same_in_every_run(own):
    first, second = TokenizerView(TEXT, own), TokenizerView(TEXT, own)
    assert first._repr_mimebundle_() == second._repr_mimebundle_()
    assert repr(first) == repr(second) and " at 0x" not in repr(first)


def test_plain_text_shows_the_tokens():
    lines = TokenizerView("The cat sat on the mat 🦙").describe().splitlines()
    assert lines[0] == "TokenizerView(text='The cat sat on the mat 🦙', ways='Characters, GPT-2')"
    assert lines[1].startswith("Characters     24 tokens  T|h|e|␣|c|a|t")
    assert lines[2] == "GPT-2           9 tokens  The|␣cat|␣sat|␣on|␣the|␣mat|20 F0 9F|A6|99"


def test_one_token_is_singular():
    assert "1 token  a" in TokenizerView("a").describe()
    one_merge = BPETokenizer.train("aa", 257)
    assert TokenizerView("a", one_merge).ways["own"][0] == "Our BPE, 1 merge"


def test_html_needs_nothing_from_elsewhere(own):
    html = TokenizerView(TEXT, own).html()
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    assert not re.search(r"^\s*(import|export)\b", html, re.MULTILINE)
    assert " src=" not in html and "<link" not in html


def test_user_text_cannot_leave_its_script_or_become_markup():
    html = TokenizerView(HOSTILE).html()
    assert payload(html)["view"]["text"] == HOSTILE
    assert "<img" not in html and "<!--" not in html
    assert html.count("</script>") == html.count("<script") == 3
    assert "\u2028" not in html.split("</table>")[1] and "\u202e" not in html.split("<tbody>")[1]


def test_fallback_stands_without_scripts():
    html = TokenizerView("a < b").html()
    fallback = re.search(r'<div class="llm-fallback">(.*?)</div>', html, re.DOTALL)[1]
    assert "<table>" in fallback and "a &lt; b" in fallback and "a|␣&lt;|␣b" in fallback


def test_all_is_inline_by_default():
    html = TokenizerView(TEXT).html()
    inline = re.search(r'data-shared="bpe-gpt2">"(.*?)"</script>', html)[1]
    assert inline == pack(gpt2_tokenizer()) and payload(html)["files"] == {}


def test_book_build_shares_large_data_and_writes_a_page(tmp_path, monkeypatch, own):
    monkeypatch.setenv("LLM_BOOK_BUILD", str(tmp_path / "shared"))
    view = TokenizerView(TEXT, own)
    html = view.html()
    data = payload(html)
    assert len(html) < 80_000 and 'data-shared="bpe' not in html
    files = {path.name for path in (tmp_path / "shared").iterdir()}
    assert files == {*data["files"].values(), data["page"]}
    script = (tmp_path / "shared" / data["files"]["bpe-gpt2"]).read_text()
    key = data["files"]["bpe-gpt2"].removesuffix(".js")
    assert script == f'(globalThis.llmShared ??= {{}})["{key}"] = "{pack(gpt2_tokenizer())}";\n'
    assert 'data-content_root="../"' in (tmp_path / "shared" / data["page"]).read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").iterdir()}
    assert view.html() == html
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").iterdir()} == before


def test_saved_page_is_one_whole_file(tmp_path):
    page = TokenizerView(TEXT).save_page(tmp_path / "lms" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "data-shared" in text and " src=" not in text


def test_pack_holds_every_merge(own):
    planes = np.frombuffer(gzip.decompress(base64.b64decode(pack(own))), np.uint8)
    numbers = planes.reshape(4, -1).T.copy().view("<u4").ravel().tolist()
    rows = np.reshape(numbers[256:], (3, -1)).T
    assert [bytes(own.vocab[i]) for i in numbers[:256]] == [bytes([b]) for b in range(256)]
    assert [(own.vocab[a], own.vocab[b]) for a, b, _ in rows] == own.merges
    assert [own.vocab[c] for _, _, c in rows] == [a + b for a, b in own.merges]


def test_sizes_stay_small():
    assert len(pack(gpt2_tokenizer())) < 350_000
    assert len(script_text("tokenizer")) < 46_000 and len(css_text("tokenizer")) < 20_000


def test_visible_signs():
    assert visible("a b\n\t\r\x00") == "a␣b⏎⇥␍␀"
    assert visible("\u0301") == "◌\u0301"
    assert visible("\u202eabc\u200d") == "⟨202E⟩abc⟨200D⟩"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": 5}, "text must be a str, got 5"),
        ({"text": "x" * (LIMIT + 1)}, f"text has {LIMIT + 1} characters"),
        ({"tokenizer": 5}, "tokenizer must be a BPETokenizer, a CharTokenizer, the name"),
        ({"tokenizer": "gpt2"}, "no model 'gpt2': choose one of storyteller"),
        ({"mode": "own"}, "mode must be one of characters, gpt2, got 'own'"),
        ({"anchor": "My View"}, "anchor must be lower-case letters, digits and hyphens"),
        ({"examples": ["a", b"b"]}, "text must be a str"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        TokenizerView(**arguments)


def test_patterns_that_browsers_do_not_know_are_refused():
    tokenizer = BPETokenizer.train(TEXT, 260, pattern=r"\p{N}{1,3}+|[^\p{N}]+")
    with pytest.raises(ValueError, match="possessive"):
        TokenizerView(TEXT, tokenizer).html()


def test_character_tokenizer_gives_its_own_ids():
    way = TokenizerView("hole", CharTokenizer("hello")).payload()["ways"][0]
    assert way["ids"] == {"e": 0, "h": 1, "l": 2, "o": 3}


def test_a_model_of_the_book_lends_its_tokenizer():
    text = "Once there was a kitten.<|end|>"
    words, characters = TokenizerView(text, "storyteller"), TokenizerView(text, "bard", gpt2=False)
    tokenizer = load("storyteller")[1]
    assert words.ways["own"][1].encode(text) == tokenizer.encode(text)
    assert list(words.ways) == ["characters", "own", "gpt2"]
    assert "The tokens of “storyteller”  7 tokens  Once|␣there|␣was" in re.sub(
        "  +", "  ", words.describe()
    )
    assert repr(characters).endswith("ways='The characters of “bard”')")
    assert characters.shared() == {} and len(words.shared()) == 2


def test_lone_surrogates_are_replaced():
    assert TokenizerView("a\ud83eb").text == "a\ufffdb"
    assert TokenizerView("\ud83e\udd99").text == "🦙"


def test_import_of_the_package_is_light():
    code = (
        "import sys, llm.views; print([m for m in ('torch', 'numpy', 'regex') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", VIEWS)
def test_every_string_is_used_and_every_use_has_a_string(name):
    words = json.loads((FOLDER / "words" / "en.json").read_text(encoding="utf-8"))
    used = _keys_in_script(name) | _keys_in_python(name) | {"title"}
    assert used == words["shared"].keys() | words[name].keys()
    assert not words["shared"].keys() & words[name].keys()


def _keys_in_script(name: str) -> set[str]:
    """Keys in ``t("…")``, ``t(yes ? "…" : "…")``, ``t(`…_${name}`)``, ``count`` and ``named``."""
    calls = re.findall(r"\bt\(((?:[^()]|\([^()]*\))*)", script_text(name))
    keys = [re.findall(r'(?:^|[?:] )"(\w+)"', call) for call in calls]
    kinds = tuple(f"{kind}_" for kind in re.findall(r'\bnamed\("(\w+)"', script_text(name)))
    kinds += tuple(re.findall(r"\bt\(`(\w+_)\$\{", script_text(name)))
    named = {key for key in strings(name) if key.startswith(kinds)} if kinds else set()
    return {key for found in keys for key in found} | named | _keys_in_counts(script_text(name))


def _keys_in_counts(source: str) -> set[str]:
    """Plural and singular of each key in ``count("…", n)``."""
    plurals = set(re.findall(r'\bcount\("(\w+)"', source))
    return plurals | {f"{key}_one" for key in plurals}


def _keys_in_python(name: str) -> set[str]:
    source = (FOLDER / f"{name}_view.py").read_text(encoding="utf-8")
    keys = set(re.findall(r'\bwords\["(\w+)"\]', source))
    return keys | _keys_in_counts(source.replace("_count(", "count("))


@pytest.mark.parametrize("name", VIEWS)
def test_placeholders_are_names(name):
    for key, text in strings(name).items():
        assert re.fullmatch(r"[^{}]*(\{[a-z]+\}[^{}]*)*", text), key


def test_modules_hold_no_words_of_their_own():
    for path in set(FOLDER.glob("*.js")) - {FOLDER / "stories.js"}:  # that of the process are data
        source = re.sub(r"/\*\*.*?\*/|//.*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(r"\"[A-Z][a-z]+ [a-z]+[^\"]*\"", source), path.name


def test_user_text_is_never_markup():
    for path in FOLDER.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text()
        )


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to check JavaScript")
def test_modules_load_alone_and_joined(tmp_path):
    texts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")}
    texts |= {f"joined_{name}.js": script_text(name) for name in VIEWS}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    load = "".join(f'await import("./{name}");' for name in texts)
    command = ["node", "--input-type=module", "--eval", load]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_css_stays_under_one_root():
    sheets = "".join(path.read_text() for path in sorted(FOLDER.glob("*.css")))
    rules = re.sub(r"/\*.*?\*/", "", sheets, flags=re.DOTALL)
    selectors = re.findall(r"(?:^|[{}])\s*([^{}@;]+?)\s*\{", rules)
    outside = [s for s in selectors if "llm-" not in s and s not in ("from", "to")]
    assert not outside


def test_base_class_asks_for_all_forms():
    class Empty(View):
        name = "tokenizer"

    for ask in (Empty().payload, Empty().fallback, Empty().describe, Empty().figure):
        with pytest.raises(NotImplementedError):
            ask()
    assert Empty().shared() == {} and Path(view_module.__file__).parent == FOLDER
