/** What views are made of: elements, choices, lists that are one tab stop, tables. */

/** @typedef {{caption: string, head: string[], rows: (string | number)[][]}} Table */

/**
 * An element. Attributes that start with "on" are listeners; children that are strings become text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | (Node | string)[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat());
  return element;
}

/** @param {string} label @param {() => void} act @param {Record<string, any>} [attributes] */
export function button(label, act, attributes = {}) {
  return h("button", { type: "button", class: "llm-button", onclick: act, ...attributes }, label);
}

/**
 * Choices as radio buttons that look like cards; the browser gives them their keys.
 * @param {{name: string, legend: string, choices: {value: string, content: Node[]}[]}} options
 * @param {(value: string) => void} choose
 */
export function choice({ name, legend, choices }, choose) {
  const cards = choices.map(({ value, content }) =>
    h("label", { class: "llm-card" },
      h("input", { type: "radio", name, value, onchange: () => choose(value) }), content));
  return h("fieldset", { class: "llm-choice" }, h("legend", {}, legend), cards);
}

/**
 * Make the options of a list one tab stop: arrows, Home and End move, hover shows.
 * Up and down move by a row where the options stand in `columns`.
 * @param {HTMLElement} list
 * @param {{select: (index: number) => void, hover: (index: number | null) => void, columns?: () => number}} act
 */
export function roving(list, { select, hover, columns = () => 1 }) {
  const options = () => [...list.querySelectorAll("[role=option]")];
  const index = (event) => options().indexOf(event.target.closest?.("[role=option]"));
  list.addEventListener("click", (event) => index(event) >= 0 && select(index(event)));
  list.addEventListener("focusin", (event) => index(event) >= 0 && select(index(event)));
  list.addEventListener("pointerover", (event) => {
    if (event.pointerType === "mouse") hover(index(event) >= 0 ? index(event) : null);
  });
  list.addEventListener("pointerleave", () => hover(null));
  list.addEventListener("keydown", (event) => {
    const target = destination(event.key, index(event), options().length, getComputedStyle(list).direction === "rtl", columns());
    if (target === null) return;
    event.preventDefault();
    options()[target]?.focus();
  });
}

/** Where a key leads in a list of `count` items, or null for other keys. */
function destination(key, index, count, rightToLeft, columns) {
  const forward = rightToLeft ? "ArrowLeft" : "ArrowRight";
  const back = rightToLeft ? "ArrowRight" : "ArrowLeft";
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (key === forward) return Math.min(index + 1, count - 1);
  if (key === back) return Math.max(index - 1, 0);
  if (key === "ArrowDown") return index + columns < count ? index + columns : index;
  if (key === "ArrowUp") return index >= columns ? index - columns : index;
  return null;
}

/** Mark one option as chosen and as the list's tab stop. @param {Element[]} options */
export function markOption(options, chosen) {
  options.forEach((option, i) => {
    option.setAttribute("aria-selected", i === chosen);
    option.tabIndex = i === chosen ? 0 : -1;
  });
}

/** @param {Table} table */
export function tableElement({ caption, head, rows }) {
  const kind = (value) => (typeof value === "number" ? { class: "llm-number" } : { dir: "auto" });
  const cell = (value) => h("td", kind(value), String(value));
  return h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))));
}

/** Text that does not turn its surroundings round. @param {string} text */
export function isolate(text) {
  return `\u2068${text}\u2069`;
}

/** @param {number} value */
export function number(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}

/** Call `act` once, when no call has come for a while. */
export function debounce(act, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds, ...values);
  };
}

/** Call `act` when an element is first in sight. @param {Element} element @param {() => void} act */
export function whenSeen(element, act) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  });
  observer.observe(element);
}
