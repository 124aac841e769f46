"""What holds for every view alike; files of their own hold each to its numbers."""

import random
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tools import axe_faults, console_faults, settle, sideways_scroll, view_faults, visit

from llm import views

pytestmark = pytest.mark.browser

SEED, ACTIONS = 11, 80
KEYS = ["Tab", "Enter", " ", "ArrowRight", "ArrowDown", "ArrowLeft", "Home", "End", "Escape"]
ARGUMENTS = {"Quiz": ["tokenization"], "TrainingFilmView": ["storyteller"]}
NAMES = sorted(set(views.__all__) - {"View", "Question"})
LOADED = """() => {
    const view = document.querySelector(".llm-view");
    return view.dataset.state === "ready" && !("pending" in view.dataset);
}"""
CONTROLS = (
    ".llm-view :is(button, input, textarea, summary, select, [role=option], [tabindex='0'])"
    ":not(:disabled):not(a)"
)
PICK = """([controls, chance]) => {
    const seen = [...document.querySelectorAll(controls)].filter((node) => node.checkVisibility());
    return seen[Math.floor(chance * seen.length)];
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every view as a page of its own, and twice on a page."""
    folder = tmp_path_factory.mktemp("every")
    for name in NAMES:
        view = getattr(views, name)(*ARGUMENTS.get(name, []))
        page = view.save_page(folder / f"{name}.html").read_text(encoding="utf-8")
        twice = page.replace("</main>", f"{view.html()}</main>")
        (folder / f"{name}-twice.html").write_text(twice, encoding="utf-8")
    return folder


def address(folder: Path, name: str) -> str:
    return (folder / f"{name}.html").as_uri()


def ready(page: Page) -> Page:
    page.wait_for_function(LOADED)
    settle(page)
    return page


def faults(page: Page) -> list[str]:
    return view_faults(page) + sideways_scroll(page) + axe_faults(page)


def test_there_are_views():
    assert len(NAMES) >= 9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [360, 320])  # a phone; 1280 px at 400 %
def test_small_and_dark(chromium_browser: Browser, folder: Path, name: str, width: int):
    with visit(chromium_browser, address(folder, name), width=width, mode="dark") as seen:
        assert faults(ready(seen.page)) == []
        assert console_faults(seen) == []


@pytest.mark.parametrize("name", NAMES)
def test_forced_colours_leave_every_control_visible(chromium_browser, folder, name):
    with visit(chromium_browser, address(folder, name)) as seen:
        seen.page.emulate_media(forced_colors="active")
        assert view_faults(ready(seen.page)) == []
        lost = seen.page.evaluate(
            """() => [...document.querySelectorAll(".llm-view button")].filter((node) => {
                const style = getComputedStyle(node);
                return node.checkVisibility() && style.color === style.backgroundColor;
            }).map((node) => node.outerHTML.slice(0, 80))"""
        )
        assert lost == []


@pytest.mark.parametrize("name", NAMES)
def test_twice_on_a_page(chromium_browser: Browser, folder: Path, name: str):
    with visit(chromium_browser, address(folder, f"{name}-twice")) as seen:
        ready(seen.page)
        assert view_faults(seen.page) == []
        ids = seen.page.evaluate("() => [...document.querySelectorAll('[id]')].map((n) => n.id)")
        assert len(ids) == len(set(ids))
        second = seen.page.locator(".llm-view").nth(1)
        second.scroll_into_view_if_needed()
        seen.page.wait_for_function(
            "view => !('pending' in view.dataset)", arg=second.element_handle()
        )
        assert console_faults(seen) == []


@pytest.mark.parametrize("name", NAMES)
def test_motion_stops_where_readers_want_none(chromium_browser, folder, name):
    with visit(chromium_browser, address(folder, name)) as seen:  # reduced motion is on here
        moving = ready(seen.page).evaluate(
            """() => [...document.querySelectorAll(".llm-view *")].filter((node) => {
                const { animationName, transitionDuration } = getComputedStyle(node);
                return animationName !== "none" || parseFloat(transitionDuration) > 0;
            }).length"""
        )
        assert moving == 0


@pytest.mark.parametrize("name", NAMES)
def test_touch_and_random_actions(chromium_browser: Browser, folder: Path, name: str):
    """Taps, keys and typed text in any order leave the view alive; the order is that of SEED."""
    rng = random.Random(SEED)
    context = chromium_browser.new_context(
        viewport={"width": 400, "height": 800}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.goto(address(folder, name))
    ready(page)
    for _ in range(ACTIONS):
        control = page.evaluate_handle(PICK, [CONTROLS, rng.random()]).as_element()
        act(page, control, rng)
        assert errors == [], f"seed {SEED}"
    assert view_faults(page) == []
    context.close()


def act(page: Page, control, rng: random.Random) -> None:
    """Tap a control, press a key on it, or type into it."""
    kind = control.evaluate("node => node.localName + (node.type ?? '')")
    if "full" in (control.text_content() or "").lower():
        return  # the window of a headless browser has no full screen to go to
    if kind.startswith("textarea") or kind in ("inputtext", "inputnumber"):
        control.fill(str(rng.randrange(100)) if kind == "inputnumber" else "</script> 🦙 a queen")
    elif rng.random() < 0.5:
        control.evaluate("node => node.focus()")
        page.keyboard.press(rng.choice(KEYS))
    else:
        control.evaluate("node => node.scrollIntoView({ block: 'center' })")
        control.dispatch_event("click") if rng.random() < 0.5 else tap(page, control)


def tap(page: Page, control) -> None:
    box = control.bounding_box()
    if box and box["y"] >= 0 and box["y"] + box["height"] < 800:
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
