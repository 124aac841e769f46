"""The view of the six switches as Python gives it: counted, complete, measured where it says so."""

import csv
import json
import re

import pytest

from llm import ModelConfig
from llm.llama import SWITCHES
from llm.pretrained import ASSETS
from llm.views import SwitchView
from llm.views.switch_view import SIZES, changes, config_of, costs, measured
from llm.views.view import strings


@pytest.fixture(autouse=True)
def no_book_build(monkeypatch):
    monkeypatch.delenv("LLM_BOOK_BUILD", raising=False)


def sent(view: SwitchView) -> dict:
    html = view.html()
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])["view"]


def test_the_ends_are_published_models():
    assert costs("gpt2", ())[0] == ModelConfig.gpt2().n_params() == 124_439_808
    assert config_of("llama2_70b", tuple(SWITCHES)) == ModelConfig.llama2_70b()
    assert costs("llama2_70b", tuple(SWITCHES))[::2] == (68_976_648_192, 320 * 1024)


def test_the_small_size_is_that_of_the_table():
    with open(ASSETS / "llama_steps.csv") as file:
        rows = [r for r in csv.DictReader(file) if r["seed"] == "0" and r["steps"] == "300"]
    assert len(rows) == 64
    for row in rows:
        on = () if row["on"] == "none" else tuple(row["on"].split("+"))
        assert costs("small", on) == tuple(int(row[n]) for n in ("params", "flops", "kv_bytes"))
        assert measured("small", on) == float(row["loss"])
        assert measured("gpt2", on) is None


def test_all_ways_are_sent_in_the_order_of_their_bits():
    data = sent(SwitchView(("tying", "positions"), "gpt2"))
    assert data["state"] == {"size": "gpt2", "on": "positions,tying", "shown": 1}
    assert [size["name"] for size in data["sizes"]] == list(SIZES)
    for size in data["sizes"]:
        assert len(size["rows"]) == 64
        assert size["rows"][0][:3] == list(costs(size["name"], ()))
        assert size["rows"][1 + 32][:3] == list(costs(size["name"], ("positions", "tying")))
        assert (size["rows"][5][3] is None) == (size["name"] != "small")
    assert 0 < data["chance"] < 0.1


def test_changes_are_differences_of_two_runs_each():
    found = changes()
    assert list(found) == list(SWITCHES) and {len(c) for c in found.values()} == {32}
    alone = measured("small", ("norm",)) - measured("small", ())
    assert found["norm"][0] == alone


def test_readers_without_scripts_get_a_table():
    view = SwitchView(size="llama2_70b")
    assert view.fallback().count("<tr>") == 9 and "68,976,648,192" in view.fallback()
    assert "not measured" in view.describe() and repr(view) in view.describe()
    assert len(SwitchView().describe().splitlines()) == 9
    assert SwitchView().html() == SwitchView().html()


def test_print_gets_the_figure():
    assert "positions" in SwitchView().figure().description


@pytest.mark.parametrize("arguments", [(("positionz",),), ((), "huge")])
def test_what_it_cannot_show_is_named(arguments):
    with pytest.raises(ValueError, match="must be of positions, norm, .* one of small, gpt2"):
        SwitchView(*arguments)


def test_there_are_words_for_every_switch():
    words = strings("switch")
    for name in SWITCHES:
        assert all(words[f"{kind}_{name}"] for kind in ("switch", "gpt", "llama", "why"))
