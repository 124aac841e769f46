"""The view of positions as readers meet it: its numbers are the package's, by mouse and keys."""

import csv
import io
import math
import random
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from playwright.sync_api import Browser, Page
from tools import (
    axe_faults,
    console_faults,
    image_alt_faults,
    keyboard_faults,
    network_faults,
    settle,
    sideways_scroll,
    view_faults,
    visit,
)

from llm import (
    GPT,
    RotaryPositionalEmbedding,
    SinusoidalPositionalEncoding,
    alibi_bias,
    load,
)
from llm.embeddings import rotation_frequencies
from llm.views import PositionView
from llm.views.positions_view import BASES, KINDS, WIDTHS

pytestmark = pytest.mark.browser

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
TABLE = load("gpt-storyteller")[0].embeddings.position.weight.detach()
HOSTILE = "</script><img src=x onerror=alert(1)> \u202e"


def smooth() -> PositionView:
    """A short table whose neighbours are nearly the same."""
    model = GPT(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=20)
    table = SinusoidalPositionalEncoding(8, 200)(torch.arange(20)) * 0.1
    table[:, :4] = 0
    model.embeddings.position.weight.data = table
    return PositionView("learned", p=3, k=1, model=model, name=HOSTILE, anchor="smooth")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pages: alone, twice with a link in prose before, in a frame without rights, another table."""
    folder = tmp_path_factory.mktemp("positions")
    view = PositionView()
    view.save_page(folder / "one.html")
    smooth().save_page(folder / "smooth.html")
    with pytest.MonkeyPatch.context() as patch:  # a shared file, as on the site
        patch.setenv("LLM_BOOK_BUILD", str(folder / "_shared"))
        html = view.html()
    link = '<p><a href="#positions?kind=rope&amp;p=9&amp;k=-4&amp;pair=2">arrows</a></p>'
    page = HEAD + link + '<div style="height:90rem"></div>' + html + html
    (folder / "twice.html").write_text(page, "utf-8")
    framed = escape(HEAD + view.html(), quote=True)
    frame = f'<iframe sandbox="allow-scripts" title="view" height="900" srcdoc="{framed}"></iframe>'
    (folder / "framed.html").write_text(HEAD + frame, "utf-8")
    return folder


@pytest.fixture
def page(chromium_browser: Browser, folder: Path) -> Iterator[Page]:
    """The page with one view, which must have had nothing to complain about in the end."""
    with visit(chromium_browser, (folder / "one.html").as_uri()) as seen:
        yield ready(seen.page)
        assert not network_faults(seen) and not view_faults(seen.page)


def ready(page: Page) -> Page:
    """Wait until the learned table is there."""
    page.wait_for_selector(".llm-view[data-state=ready]:not([data-pending])")
    settle(page)
    return page


def go(page: Page, anchor: str = "positions", **state) -> None:
    """Set the view by its address."""
    page.evaluate(
        "([anchor, state]) => { location.hash = anchor + '?' + new URLSearchParams(state); }",
        [anchor, {**state, "once": random.random()}],
    )
    settle(page)


def sums(page: Page) -> list[str]:
    return page.locator(".llm-sums > li").all_inner_texts()


def numbers(text: str) -> list[float]:
    plain = text.replace("−", "-").replace(",", "")
    return [float(n) for n in re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", plain)]


def cells(page: Page) -> list[list[str]]:
    """The table of the view, as text."""
    toggle = page.get_by_role("button", name="As table").first
    toggle.click()
    rows = page.locator(".llm-table tbody tr").all()
    found = [
        [c.replace("−", "-").replace(",", "") for c in r.locator("td").all_inner_texts()]
        for r in rows
    ]
    toggle.click()
    return found


def close(found: list, right: list, digits: int = 4) -> None:
    assert [float(x) for x in found] == pytest.approx(right, abs=0.6 * 10**-digits, rel=1e-3)


PLACES = [(20, 6), (0, 127), (127, -127), (5, 0), (64, -13), (99, 28)]


@pytest.mark.parametrize(("p", "k"), PLACES)
def test_waves_are_those_of_the_package(page, p, k):
    for d in WIDTHS:
        go(page, kind="sinusoidal", p=p, k=k, d=d, theta=10_000, pair=1)
        both = SinusoidalPositionalEncoding(d, 128)(torch.tensor([p, p + k])).view(2, -1, 2)
        for i, row in enumerate(cells(page)):
            close(row[3:], both[:, i].flatten().tolist())
            assert float(row[1]) == pytest.approx(10_000 ** (-2 * i / d), rel=1e-3)
            assert float(row[2]) == pytest.approx(2 * math.pi * 10_000 ** (2 * i / d), rel=1e-3)
        assert len(cells(page)) == d // 2


@pytest.mark.parametrize("theta", BASES)
def test_the_sums_of_a_pair_can_be_checked_by_hand(page, theta):
    go(page, kind="sinusoidal", p=31, k=-12, d=8, theta=theta, pair=2)
    rate = float(rotation_frequencies(8, float(theta), torch.float64)[2])
    first, here, there, turn, turned = sums(page)
    assert numbers(first)[-2:] == pytest.approx([rate, 2 * math.pi / rate], rel=1e-3)
    assert numbers(here)[2:] == pytest.approx(
        [31 * rate, math.sin(31 * rate), math.cos(31 * rate)], abs=6e-5
    )
    assert numbers(there) == pytest.approx([19, math.sin(19 * rate), math.cos(19 * rate)], abs=6e-5)
    assert numbers(turn)[1:] == pytest.approx(
        [math.cos(-12 * rate), math.sin(-12 * rate)], abs=6e-5
    )
    a, b, c, d, sine, *rest = numbers(turned)
    assert a * b + c * d == pytest.approx(sine, abs=3e-4)
    assert sine == pytest.approx(math.sin(19 * rate), abs=6e-5)
    assert rest[-1] == pytest.approx(math.cos(19 * rate), abs=6e-5)


@pytest.mark.parametrize(("p", "k"), PLACES)
def test_products_depend_on_the_distance_alone(page, p, k):
    go(page, kind="offset", p=p, k=k, d=16, theta=10_000)
    rows = SinusoidalPositionalEncoding(16, 128)(torch.arange(128)).double()
    here, elsewhere, cosines = sums(page)
    right = float(rows[p] @ rows[p + k])
    assert numbers(here)[-1] == pytest.approx(right, abs=2e-4)
    assert numbers(elsewhere)[2] == pytest.approx(right, abs=2e-4)
    *_, total = numbers(cosines)
    assert total == pytest.approx(right, abs=2e-4)
    for offset, _, other, product in cells(page)[::17]:
        assert int(other) == p + int(offset)
        assert float(product) == pytest.approx(float(rows[p] @ rows[int(other)]), abs=2e-4)


@pytest.mark.parametrize(("p", "k"), PLACES)
def test_the_learned_table_is_that_of_the_model(page, p, k):
    go(page, kind="learned", p=p, k=k)
    lengths, cosine = sums(page)
    a, b = TABLE[p], TABLE[p + k]
    one, other = numbers(lengths)[1::2]
    close([one, other], [float(a.norm()), float(b.norm())])
    right = float(torch.cosine_similarity(a, b, dim=0))
    assert numbers(cosine)[-1] == pytest.approx(right, abs=1e-4)
    rows = cells(page)
    close([r[1] for r in rows], TABLE.norm(dim=-1).tolist())
    close([r[2] for r in rows], torch.cosine_similarity(TABLE, a[None]).tolist())


@pytest.mark.parametrize(("p", "k"), PLACES)
@pytest.mark.parametrize(("d", "theta"), [(16, 10_000), (4, 100), (32, 500_000)])
def test_arrows_turn_as_in_the_package(page, p, k, d, theta):
    go(page, kind="rope", p=p, k=k, d=d, theta=theta, pair=0)
    rope = RotaryPositionalEmbedding(d, 128, float(theta), layout="interleaved")
    pairs = d // 2
    query = rope(torch.tensor([[1.0, 0.0] * pairs]).double(), torch.tensor([p]))[0].view(-1, 2)
    key = rope(torch.tensor([[0.8, 0.6] * pairs]).double(), torch.tensor([p + k]))[0].view(-1, 2)
    rows = cells(page)
    assert len(rows) == pairs
    for i, row in enumerate(rows):
        right = [*query[i].tolist(), *key[i].tolist(), float(query[i] @ key[i])]
        close(row[3:], right)
    assert numbers(sums(page)[3])[-1] == pytest.approx(float((query * key).sum()), abs=2e-4)


def test_moving_both_changes_the_arrows_and_not_the_match(page):
    go(page, kind="rope", p=7, k=-3, d=8, theta=100, pair=1)
    before = sums(page)
    dials = page.locator(".llm-dials figcaption").all_inner_texts()
    page.get_by_role("button", name="Move both ten places on").click()
    after = sums(page)
    assert before[0] != after[0] and before[1] != after[1] and before[2:] == after[2:]
    assert page.locator(".llm-dials figcaption").all_inner_texts() == dials
    page.wait_for_function("() => location.hash.includes('p=17')")
    go(page, kind="rope", p=125, k=-3)
    page.get_by_role("button", name="Move both ten places on").click()
    page.wait_for_function("() => /[?&]p=3&/.test(location.hash)")  # back to the beginning


@pytest.mark.parametrize("head", range(1, 9))
def test_slopes_are_those_of_the_package(page, head):
    go(page, kind="alibi", p=40, k=-17, head=head)
    bias = alibi_bias(8, torch.tensor([40]), torch.tensor([23]))[:, 0, 0].double()
    slope, total, factor = sums(page)
    assert numbers(slope)[-1] == pytest.approx(float(-bias[head - 1] / 17), rel=1e-3)
    assert numbers(total)[-1] == pytest.approx(float(bias[head - 1]), rel=1e-3)
    assert numbers(factor)[1] == pytest.approx(math.exp(bias[head - 1]), rel=2e-3)
    close([row[2] for row in cells(page)], bias.tolist())


def test_the_map_is_painted_with_the_waves(page):
    """The grey of each pixel follows its number: dark is −1, bright is 1."""
    go(page, kind="sinusoidal", d=8, theta=100)
    lights = page.locator(".llm-pixels canvas").evaluate(
        """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, 8, 128);
            return Array.from({length: 8 * 128}, (_, i) => data[4 * i + 1]);
        }"""
    )
    rates = rotation_frequencies(8, 100.0, torch.float64)
    angles = torch.arange(128).double()[:, None] * rates
    right = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten()
    order = torch.tensor(lights, dtype=torch.float64)[right.argsort()]
    assert (order.diff() >= 0).all() and order[0] < 60 < 200 < order[-1]


def test_predictions_are_judged_by_the_numbers(page):
    def answer(kind: str, choice: str, **state) -> str:
        go(page, kind=kind, **state)
        page.locator(".llm-predict").get_by_role("button", name=choice, exact=True).click()
        assert page.locator(".llm-predict button:disabled").count() >= 3
        return page.locator(".llm-predict .llm-message").inner_text()

    assert answer("sinusoidal", "Many times round", d=16, theta=10_000).startswith(
        "No. It turns 0.0"
    )
    assert answer("sinusoidal", "Many times round", d=4, theta=100).startswith(
        "Right. It turns 2.0"
    )
    assert answer("sinusoidal", "About once round", d=8, theta=100).startswith(
        "Right. It turns 0.6"
    )
    assert answer("offset", "It stays").startswith("Right.")
    assert answer("learned", "Nearly the same") == (
        "No. Their mean cosine is 0.15. Nothing asks a learned table to be smooth; "
        "what counts is what each place is used for."
    )
    assert answer("rope", "The match, but not the arrows").startswith("No.")
    assert answer("alibi", "Head 8").startswith("Right.")


def test_another_table_gets_another_verdict(chromium_browser, folder):
    with visit(chromium_browser, (folder / "smooth.html").as_uri()) as seen:
        page = ready(seen.page)
        page.get_by_role("button", name="Nearly the same").click()
        assert "Right. Their mean cosine is 1.00" in page.locator(".llm-predict").inner_text()
        assert page.locator("#llm-smooth-p").get_attribute("max") == "18"
        assert not network_faults(seen) and page.locator("img").count() == 0


def test_sliders_and_lists_work_by_keys(page):
    page.get_by_label("Position p", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert sums(page)[1].startswith("p = 21:")
    page.keyboard.press("End")
    assert sums(page)[1].startswith("p = 121:")  # p + k is the last
    page.get_by_label("Distance k", exact=True).focus()
    page.keyboard.press("Home")
    assert sums(page)[2].startswith("p + k = 0:")
    page.get_by_label("Features", exact=True).select_option("32")
    page.get_by_label("Pair", exact=True).focus()
    page.keyboard.press("End")
    assert "−2·15/32" in sums(page)[0]
    page.get_by_label("Base of the rates", exact=True).select_option("100")
    assert sums(page)[0].startswith("ω = 100^")
    page.wait_for_function("() => location.hash.includes('theta=100&p=121&k=-121&pair=15')")
    page.get_by_label("Features", exact=True).select_option("4")
    assert "−2·1/4" in sums(page)[0]  # there is no pair 15 any more


def test_kinds_are_chosen_by_keys_and_said(page):
    page.get_by_role("radio", name="Waves sinusoidal").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.includes('kind=offset')")
    page.wait_for_function(
        "() => document.querySelector('[role=status]').textContent.startsWith('Multiply the rows')"
    )
    assert page.get_by_role("radio", name="Distance products").is_checked()
    assert page.get_by_label("Pair", exact=True).is_hidden()


def test_maps_answer_clicks_and_arrow_keys(page):
    box = page.locator(".llm-pixels").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    p, *_ = numbers(sums(page)[1])
    assert 60 <= p <= 67
    page.locator(".llm-pixels").focus()
    page.keyboard.press("ArrowDown")
    assert numbers(sums(page)[1])[0] == p + 1
    page.keyboard.press("Home")
    assert "−2·0/16" in sums(page)[0]
    go(page, kind="learned", p=50, k=10)
    alike = page.get_by_label("Cosine of each position with each other. Arrow keys")
    alike.focus()
    page.keyboard.press("ArrowRight")
    assert "row 61" in sums(page)[1]
    page.keyboard.press("ArrowUp")
    assert sums(page)[0].startswith("Length of row 49:") and "row 61" in sums(page)[1]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("kind=rope&p=300&k=9", {"kind": "rope", "p": 127, "k": 0}),
        ("kind=nothing&p=-4", {"kind": "sinusoidal", "p": 0, "k": 6}),
        ("kind=__proto__&d=7&theta=1e9", {"kind": "sinusoidal", "d": 16, "theta": 10_000}),
        ("kind=alibi&p=20&k=6&head=99", {"kind": "alibi", "k": -6, "head": 8}),
        ("p=abc&k=NaN&pair=1e400", {"p": 0, "k": 0, "pair": 7}),
        ("kind=learned&p=127&k=-127", {"kind": "learned", "p": 127, "k": -127}),
    ],
)
def test_any_address_gives_a_valid_state(chromium_browser, folder, query, kept):
    with visit(chromium_browser, f"{(folder / 'one.html').as_uri()}#positions?{query}") as seen:
        page = ready(seen.page)
        page.get_by_role("button", name="Copy link").click()
        text = page.locator(".llm-notice").inner_text() + page.evaluate("location.hash")
        assert not view_faults(page) and sums(page)
        page.locator("input[type=radio]:checked").dispatch_event("change")
        page.wait_for_timeout(600)
        state = dict(
            part.split("=") for part in page.evaluate("location.hash").split("?")[1].split("&")
        )
        assert {name: type(value)(state[name]) for name, value in kept.items()} == kept, text
        assert not network_faults(seen)


def test_prose_sets_the_view_and_the_reader_returns(chromium_browser, folder):
    with visit(chromium_browser, (folder / "twice.html").as_uri()) as seen:
        page = seen.page
        page.get_by_role("link", name="arrows").click()
        first, second = page.locator(".llm-view").all()
        assert first.locator("input:checked").get_attribute("value") == "rope"
        assert second.locator("input:checked").get_attribute("value") == "sinusoidal"
        assert (
            first.locator(".llm-sums li").first.inner_text().startswith("Pair 2 of Q, turned by 9")
        )
        first.get_by_role("button", name="Back to the text").click()
        assert page.evaluate("document.activeElement.textContent") == "arrows"
        go(page, "positions-2", kind="learned", p=3, k=1)
        page.wait_for_selector("#llm-positions-2:not([data-pending]) .llm-sums li")
        assert second.locator(".llm-sums li").count() == 2
        assert not network_faults(seen) and not view_faults(page)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_kind_is_accessible_and_fits(chromium_browser, folder, mode, width):
    with visit(chromium_browser, (folder / "one.html").as_uri(), width, mode) as seen:
        page = ready(seen.page)
        for kind in KINDS:
            go(page, kind=kind, d=32)
            page.locator(".llm-predict button").first.click()
            assert not axe_faults(page) + sideways_scroll(page) + image_alt_faults(page), kind
            small = page.evaluate(
                """() => [...document.querySelectorAll(".llm-frame :is(button, select, summary)")]
                    .filter((node) => node.checkVisibility())
                    .map((node) => node.getBoundingClientRect())
                    .filter(({ width, height }) => Math.min(width, height) < 24).length"""
            )
            assert small == 0, kind
        assert not console_faults(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_tab_reaches_everything_and_leaves(page, kind):
    go(page, kind=kind)
    assert not keyboard_faults(page)


def test_charts_follow_the_width(page):
    go(page, kind="offset")
    wide = page.locator(".llm-lines").get_attribute("viewBox")
    page.set_viewport_size({"width": 400, "height": 900})
    page.wait_for_function(
        "before => document.querySelector('.llm-lines').getAttribute('viewBox') !== before",
        arg=wide,
    )
    sizes = page.locator(".llm-lines text").evaluate_all(
        "nodes => nodes.map((node) => node.getBoundingClientRect().height)"
    )
    assert min(size for size in sizes if size) >= 11


def test_it_works_in_a_frame_without_rights(chromium_browser, folder):
    with visit(chromium_browser, (folder / "framed.html").as_uri()) as seen:
        frame = seen.page.frame_locator("iframe")
        frame.get_by_role("radio", name="Learned").check(force=True)
        frame.locator(".llm-sums li").first.wait_for()
        assert "Length of row 20" in frame.locator(".llm-sums").inner_text()
        assert not console_faults(seen)


def test_saving_gives_the_numbers_and_the_picture(page):
    go(page, kind="rope", p=5, k=-2)
    for kind in ("CSV", "SVG"):
        with page.expect_download() as download:
            page.locator("summary", has_text="Save").click()
            page.get_by_role("button", name=f"Save as {kind}").click()
        path = Path(download.value.path())
        if kind == "CSV":
            table = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
            assert ["Pair", "Q turned by °"] == table[0][:2] and len(table) == 9
            continue
        assert "var(" not in ElementTree.tostring(ElementTree.parse(path).getroot(), "unicode")
