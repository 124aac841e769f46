/** What every page and every deck of slides does: colours, boxes that scroll, print. */

const root = document.documentElement;
const words = JSON.parse(document.querySelector("#words").textContent); // in the book's language
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const one = (selector) => document.querySelector(selector);
const all = (selector, scope = document) => [...scope.querySelectorAll(selector)];

// --- light and dark ---------------------------------------------------------------------------

const MODES = ["auto", "light", "dark"];

/** Show the page in a mode, and name it on the button. */
function showMode(mode) {
  const dark = mode === "dark" || (mode === "auto" && systemDark.matches);
  Object.assign(root.dataset, {mode, theme: dark ? "dark" : "light"});
  one("#mode-switch").setAttribute("aria-label", words[mode]);
  one("#mode-switch").title = words[mode];
}

function setUpModes() {
  showMode(MODES.includes(root.dataset.mode) ? root.dataset.mode : "auto");
  systemDark.addEventListener("change", () => showMode(root.dataset.mode));
  one("#mode-switch").addEventListener("click", () => {
    const next = MODES[(MODES.indexOf(root.dataset.mode) + 1) % MODES.length];
    try { localStorage.setItem("mode", next); } catch { /* kept for this page only */ }
    showMode(next);
  });
}

// --- folded parts on paper --------------------------------------------------------------------

/** Hidden code is announced by the words on its button, which say more than myst-nb's label. */
function nameHiddenCode() {
  for (const summary of all("details.hide > summary")) summary.removeAttribute("aria-label");
}

/** Paper is white and cannot be unfolded: print everything, in light colours, then go back. */
function setUpPrint() {
  let folded = [];
  addEventListener("beforeprint", () => {
    root.dataset.theme = "light";
    folded = all("article details:not([open])");
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    showMode(root.dataset.mode);
    for (const details of folded) details.open = false;
  });
}

// --- wide things ------------------------------------------------------------------------------

/** Whether a box holds more than it can show; a formula in a line is measured against its line. */
function isWide(box) {
  const formula = box.matches("span.math > *") && box.querySelector("mjx-math");
  if (formula) return formula.scrollWidth > box.closest("p, li, dd, td, article").clientWidth + 1;
  return box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1;
}

/** Let the keyboard reach each box that is too wide for the page, and only those. */
function markScrollers() {
  for (const [selector, name] of Object.entries(words.wide))
    for (const box of all(selector)) {
      if (box.matches(":has(.llm-view)")) continue;
      const wide = isWide(box);
      if (wide === box.hasAttribute("data-wide")) continue;
      box.toggleAttribute("data-wide", wide);
      const attributes = {tabindex: 0, role: "group", "aria-label": name};
      for (const [key, value] of Object.entries(attributes))
        if (wide) box.setAttribute(key, value);
        else box.removeAttribute(key);
    }
}

function setUpScrollers() {
  const later = () => requestAnimationFrame(markScrollers);
  later();
  new ResizeObserver(later).observe(one("article"));
  addEventListener("load", () => window.MathJax?.startup?.promise.then(later));
  document.addEventListener("toggle", later, true);
}

setUpModes();
setUpScrollers();
nameHiddenCode();
setUpPrint();
