/** What the pages of the book do: menu, search, copy buttons, folded parts. It builds on page.js. */

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
    Object.assign(button, {type: "button", className: "copy", textContent: words.copy});
    button.setAttribute("aria-label", words.copy_this);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").innerText.trimEnd());
      button.textContent = words.copied;
      setTimeout(() => { button.textContent = words.copy; }, 1500);
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

// --- where one reads --------------------------------------------------------------------------

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

setUpMenu();
setUpSearch();
addCopyButtons();
followReading();
showTarget();
addEventListener("hashchange", showTarget);
