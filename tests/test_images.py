"""images/: drawings that follow the page, can be read without being seen, and tell no lies."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llm import ModelConfig, gpt2_tokenizer, style

FOLDER = Path(__file__).parents[1] / "images"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["pipeline", "attention", "block", "gpt-and-llama", "kv-cache", "kv-groups"]
NAMES += ["three-families"]
PALETTE = dict(re.findall(r"--llm-([a-z-]+): (#[0-9a-fA-F]{6});", style.css_variables("light")))
PAINT = ("fill", "stroke", "color", "stop-color")
SENTENCE = "The cat sat on the mat"


def root_of(name):
    return ElementTree.parse(FOLDER / f"{name}.svg").getroot()


def texts(name):
    return ["".join(node.itertext()) for node in root_of(name).iter(f"{SVG}text")]


def paints(root):
    return [node.get(key) for node in root.iter() for key in PAINT if node.get(key)]


def strange_paints(root):
    """Paints that are neither ``none`` nor a role of the palette with its light colour."""
    known = {f"var(--llm-{role}, {colour})" for role, colour in PALETTE.items()} | {"none"}
    return [paint for paint in paints(root) if paint not in known]


def test_every_drawing_is_tested():
    assert sorted(path.stem for path in FOLDER.glob("*.svg")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_holds_only_shapes_and_text(name):
    assert (FOLDER / f"{name}.svg").stat().st_size < 12_000
    allowed = "svg title desc g rect circle path text tspan".split()
    used = {str(node.tag) for node in root_of(name).iter()}
    assert used <= {f"{SVG}{tag}" for tag in allowed}
    keys = {key for node in root_of(name).iter() for key in node.attrib}
    assert not [key for key in keys if key.startswith("on") or "href" in key or key == "style"]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_name_and_a_description(name):
    root = root_of(name)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert 10 < len(title.text) < 80 and len(description.text) > 200
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_ids_are_unique_over_all_drawings():
    ids = [node.get("id") for name in NAMES for node in root_of(name).iter() if node.get("id")]
    assert len(ids) == len(set(ids)) >= 2 * len(NAMES)
    assert all(name.startswith(tuple(NAMES)) for name in ids)


@pytest.mark.parametrize("name", NAMES)
def test_colours_are_those_of_the_palette(name):
    assert strange_paints(root_of(name)) == [] and len(paints(root_of(name))) > 10
    planted = ElementTree.fromstring('<svg fill="var(--llm-q, #0072B3)" stroke="red"/>')
    assert len(strange_paints(planted)) == 2


@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_on_a_phone(name):
    """At 320 px, what a phone of 360 px leaves, no text is below 11 px."""
    root = root_of(name)
    width = float(root.get("viewBox").split()[2])
    sizes = [float(node.get("font-size")) for node in root.iter() if node.get("font-size")]
    assert min(sizes) * 320 / width >= 11


@pytest.mark.parametrize("name", ["attention", "kv-cache"])
def test_a_role_has_its_letter_beside_its_colour(name):
    marked = {
        (node.text or "").strip(): node.get("fill")
        for node in root_of(name).iter(f"{SVG}text")
        if "-text" in (node.get("fill") or "")
    }
    roles = [role for role in style.MARKS if name == "attention" or role != "output"]
    assert marked == {
        style.LETTERS[r]: f"var(--llm-{r}-text, {PALETTE[f'{r}-text']})" for r in roles
    }


def test_the_pipeline_shows_gpt2s_tokens_and_ids():
    ids = gpt2_tokenizer().encode(SENTENCE)
    shown = [gpt2_tokenizer().decode([i]).replace(" ", "␣") for i in ids]
    found = texts("pipeline")
    assert found[:12] == shown + [str(i) for i in ids]
    assert found[-9:-3] == [*shown[1:], "?"]


def test_the_pipeline_shows_the_shapes_of_gpt2():
    config = ModelConfig.gpt2()
    b, t, c, v = 1, len(gpt2_tokenizer().encode(SENTENCE)), config.d_model, config.vocab_size
    shapes = [text for text in texts("pipeline") if text.startswith("(B")]
    stream, scores = f"(B, T, C) = ({b}, {t}, {c})", f"(B, T, V) = ({b}, {t}, {v})"
    assert shapes == [f"(B, T) = ({b}, {t})", stream, stream, stream, scores, scores]
    assert f"× {config.n_layers}" in texts("pipeline")
    assert f"a score for each of {v:,} tokens" in texts("pipeline")


def test_the_cache_grows_by_one_token_a_step():
    tokens = [t for t in texts("kv-cache") if f" {t} " in f" {SENTENCE} and ate "]
    ids = gpt2_tokenizer().encode(f"{SENTENCE} and ate")
    assert tokens == [gpt2_tokenizer().decode([i]).strip() for i in ids]
    rects = list(root_of("kv-cache").iter(f"{SVG}rect"))
    cells = [node for node in rects if node.get("width") == "43"]
    computed, read = 3 * (6 + 1 + 1), 2 * (6 + 7)
    assert len(cells) == computed + read


def test_gpt_and_llama_differ_as_the_presets_do():
    gpt, llama = ModelConfig.gpt2(), ModelConfig.llama2_70b()
    differ = {name for name, value in gpt.to_dict().items() if value != llama.to_dict()[name]}
    assert differ >= {"position", "norm", "ffn", "bias", "tie_embeddings"}
    assert gpt.n_kv_heads == gpt.n_heads and llama.n_kv_heads < llama.n_heads
    numbers = [text for text in texts("gpt-and-llama") if text.isdecimal()]
    assert {n: numbers.count(n) for n in "123456"} == {
        "1": 3, "2": 7, "3": 3, "4": 3, "5": 5, "6": 3
    }  # fmt: skip


def test_the_mask_crosses_out_what_comes_after():
    crosses = [p.get("d") for p in root_of("attention").iter(f"{SVG}path")]
    assert max(d.count("m0-6l-6 6") for d in crosses if d) == 6 * 5 // 2


def test_the_groups_are_those_of_attention():
    root = root_of("kv-groups")
    drawn = [
        len(g.findall(f"{SVG}rect"))
        for g in root.iter(f"{SVG}g")
        if g.find(f"{SVG}rect") is not None
    ]
    assert drawn == [4, 2 * 4, 4, 2 * 2, 4, 2 * 1]  # queries, then keys and values
    assert [t for t in texts("kv-groups") if t.startswith("Q")] == 3 * [f"Q {i}" for i in range(4)]
