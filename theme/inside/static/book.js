/** What the pages do: colours, menu, search, copy buttons, folded parts, boxes that scroll. */

const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const one = (selector) => document.querySelector(selector);
const all = (selector, scope = document) => [...scope.querySelectorAll(selector)];

// --- light and dark ---------------------------------------------------------------------------

const MODES = {auto: "as the system", light: "light", dark: "dark"};

/** Show the page in a mode, and name it on the button. */
function showMode(mode) {
  const dark = mode === "dark" || (mode === "auto" && systemDark.matches);
  Object.assign(root.dataset, {mode, theme: dark ? "dark" : "light"});
  one("#mode-switch").setAttribute("aria-label", `Colours: ${MODES[mode]}`);
  one("#mode-switch").title = `Colours: ${MODES[mode]}`;
}

function setUpModes() {
  const names = Object.keys(MODES);
  showMode(root.dataset.mode in MODES ? root.dataset.mode : "auto");
  systemDark.addEventListener("change", () => showMode(root.dataset.mode));
  one("#mode-switch").addEventListener("click", () => {
    const next = names[(names.indexOf(root.dataset.mode) + 1) % names.length];
    try { localStorage.setItem("mode", next); } catch { /* kept for this page only */ }
    showMode(next);
  });
}

// --- menu and search --------------------------------------------------------------------------

function setUpMenu() {
  const button = one("#menu-switch");
  const show = (open) => {
    button.setAttribute("aria-expanded", open);
    root.toggleAttribute("data-menu", open);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  one("#chapters").addEventListener("click", (event) => event.target.closest("a") && show(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !root.hasAttribute("data-menu")) return;
    show(false);
    button.focus();
  });
}

function setUpSearch() {
  const dialog = one("#search-dialog");
  const open = () => dialog.open || dialog.showModal();
  one("#search-open").addEventListener("click", open);
  one("#search-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    open();
  });
  // Sphinx looks for "#module-llm.model" as it stands, where the dot would begin a class.
  if (typeof Search !== "undefined") {
    const { htmlToText } = Search;
    const escaped = (anchor) => anchor && `#${CSS.escape(anchor.slice(1))}`;
    Search.htmlToText = (text, anchor) => htmlToText(text, escaped(anchor));
  }
  // A page opened from a folder cannot read other pages for the extracts under each hit.
  if (location.protocol === "file:")
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// --- code -------------------------------------------------------------------------------------

/** Put a button into each block of code that copies it. */
function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const block of all("article div.highlight")) {
    if (block.closest(".cell_output")) continue;
    const button = document.createElement("button");
    Object.assign(button, {type: "button", className: "copy", textContent: "Copy"});
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").innerText.trimEnd());
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
}

// --- folded parts -----------------------------------------------------------------------------

/** Unfold whatever hides the place that the address names. */
function showTarget() {
  const name = decodeURIComponent(location.hash.slice(1));
  const target = name && document.getElementById(name);
  if (!target) return;
  const own = target.querySelector(":scope > details.deeper");
  if (own) own.open = true;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details"))
    box.open = true;
  target.scrollIntoView();
}

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

const SCROLLERS = {
  "div.math": "Formula", "span.math > mjx-container": "Formula", "article pre": "Code",
  ".table-box": "Table", ".diagram": "Diagram", ".output.text_html": "Output",
};

/** Whether a box holds more than it can show; a formula in a line is measured against its line. */
function isWide(box) {
  const formula = box.matches("span.math > *") && box.querySelector("mjx-math");
  if (formula) return formula.scrollWidth > box.closest("p, li, dd, td, article").clientWidth + 1;
  return box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1;
}

/** Let the keyboard reach each box that is too wide for the page, and only those. */
function markScrollers() {
  for (const [selector, name] of Object.entries(SCROLLERS))
    for (const box of all(selector)) {
      if (box.matches(":has(.llm-view)")) continue;
      const wide = isWide(box);
      if (wide === box.hasAttribute("data-wide")) continue;
      box.toggleAttribute("data-wide", wide);
      const attributes = {tabindex: 0, role: "group", "aria-label": `${name}, scrolls sideways`};
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

/** Mark the section being read in the list beside the text. */
function followReading() {
  const links = new Map(all(".page-toc a").map((link) => [link.hash.slice(1), link]));
  const sections = all("article section[id]").filter((section) => links.has(section.id));
  const observer = new IntersectionObserver(() => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < 160);
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(passed.at(-1)?.id)?.setAttribute("aria-current", "true");
  }, {rootMargin: "-159px 0px 0px 0px", threshold: [0, 0.01, 1]});
  for (const section of sections) observer.observe(section.firstElementChild);
}

setUpModes();
setUpMenu();
setUpSearch();
addCopyButtons();
setUpScrollers();
followReading();
nameHiddenCode();
setUpPrint();
showTarget();
addEventListener("hashchange", showTarget);
