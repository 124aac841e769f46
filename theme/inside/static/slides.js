/** What slides do: turn by keys, buttons and address, fit the window, list, full screen. */

const slides = all(".slide");
// On a small window, or zoomed in, the slides are a page that scrolls; the same rule is in slides.css.
const stage = matchMedia("print, screen and (min-width: 60rem) and (min-height: 30rem)");
const SMALLEST = {slide: 0.5, view: 0.72}; // of its size, before what a slide holds scrolls

// --- turning ----------------------------------------------------------------------------------

/** The slide that fills most of the window. */
function shown() {
  const passed = slides.filter((slide) => slide.getBoundingClientRect().top < innerHeight / 2);
  return Math.max(0, passed.length - 1);
}

/** Go to a slide, the nearest where there is none of that number. */
function turnTo(number) {
  const slide = slides[Math.min(Math.max(number, 0), slides.length - 1)];
  slide.scrollIntoView();
  slide.focus({preventScroll: true});
}

const KEYS = {
  PageDown: 1, PageUp: -1, ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, " ": 1,
  Home: -Infinity, End: Infinity,
};
const REMOTE = new Set(["PageDown", "PageUp"]); // what a presenter's remote control sends

/** Whether what has the focus needs the key itself: a view or a field, or a button the space bar. */
function isTaken(event) {
  if (REMOTE.has(event.key)) return false;
  if (event.target.closest(".llm-view, input, textarea, select, [data-wide]")) return true;
  return event.key === " " && event.target.closest("a, button, summary");
}

function turnByKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
  if (!stage.matches || one("dialog[open]") || document.fullscreenElement?.matches(".llm-view")) return;
  if (!(event.key in KEYS) || isTaken(event)) return;
  event.preventDefault();
  turnTo(shown() + KEYS[event.key] * (event.shiftKey ? -1 : 1));
}

/** Keep the number of the slide in the address, where a view on it has not put its own state. */
function followTurning() {
  let last = shown();
  const follow = () => {
    const now = shown();
    if (now === last) return;
    last = now;
    history.replaceState(history.state, "", `#${slides[now].id}`);
  };
  addEventListener("scroll", follow, {passive: true});
}

// --- fitting ----------------------------------------------------------------------------------

/** Shrink what a slide holds until it fits; `again` begins with its full size. */
function fit(slide, again = false) {
  const body = slide.querySelector(".slide-body");
  const view = body.querySelector(".llm-view");
  const smallest = SMALLEST[view ? "view" : "slide"];
  let zoom = (again || !stage.matches) ? 1 : Number(body.style.zoom) || 1;
  body.style.zoom = zoom;
  while (stage.matches && zoom > smallest && (isFull(body) || (view && isFull(view)))) {
    zoom = Math.max(smallest, zoom * 0.94);
    body.style.zoom = zoom;
  }
}

const isFull = (box) => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1;

function setUpFitting() {
  const fitAll = (again) => slides.forEach((slide) => fit(slide, again));
  const grown = new ResizeObserver((entries) => {
    for (const slide of new Set(entries.map((entry) => entry.target.closest(".slide")))) fit(slide);
  });
  for (const part of all(".slide-body > *, .slide-body .llm-view > *")) grown.observe(part);
  fitAll(true);
  addEventListener("resize", () => fitAll(true));
  addEventListener("beforeprint", () => fitAll(false));
  addEventListener("load", () => window.MathJax?.startup?.promise.then(() => fitAll(true)));
}

// --- the bar ----------------------------------------------------------------------------------

function setUpBar() {
  const list = one("#list-dialog");
  one("#turn-back").addEventListener("click", () => turnTo(shown() - 1));
  one("#turn-on").addEventListener("click", () => turnTo(shown() + 1));
  one("#list-open").addEventListener("click", () => {
    const now = shown();
    for (const link of all("li a", list)) link.removeAttribute("aria-current");
    all("li a", list)[now].setAttribute("aria-current", "true");
    list.showModal();
  });
  one("#list-close").addEventListener("click", () => list.close());
  list.addEventListener("click", (event) => (event.target === list || event.target.closest("a")) && list.close());
  one("#full-screen").hidden = !document.fullscreenEnabled;
  one("#full-screen").addEventListener("click", () =>
    document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
}

setUpBar();
setUpFitting();
followTurning();
document.addEventListener("keydown", turnByKey);
