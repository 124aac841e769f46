/** The frame around every view: words, address, data. A view's module exports `mount(frame)`. */

import { freeAddress, addressable, loadScript, sharedAddress, split } from "./page.js";
import { button, debounce, h, number, whenSeen } from "./parts.js";
import { toolbar } from "./toolbar.js";

/** @typedef {import("./parts.js").Table} Table */
/** @typedef {{link: HTMLElement, top: number}} Origin  a link and where it stood in the window */

/**
 * Mount the views of one output. A view that cannot start leaves its text fallback in place.
 * @param {string} token
 * @param {(frame: Frame) => void} mount
 */
export function start(token, mount) {
  for (const root of document.querySelectorAll(`.llm-view[data-token="${token}"]:not([data-state])`)) {
    root.dataset.state = "starting";
    try {
      const frame = new Frame(root);
      mount(frame);
      root.querySelector(".llm-fallback").hidden = true;
      root.append(frame.element);
      root.dataset.state = "ready";
    } catch (error) {
      root.dataset.state = "failed";
      console.error(error);
    }
  }
}

/** The frame around a view: its words, its address, its live region and its shared data. */
export class Frame {
  /** @param {HTMLElement} root */
  constructor(root) {
    const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    Object.assign(this, { root, data: data.view, strings: data.strings });
    Object.assign(this, { files: data.files, page: data.page });
    this.plurals = new Intl.PluralRules(data.language, { maximumFractionDigits: 2 });
    this.address = freeAddress(data.anchor);
    root.id = `llm-${this.address}`;
    this.body = h("div", { class: "llm-body" });
    this.status = h("div", { class: "llm-hidden", role: "status" });
    this.notice = h("p", { class: "llm-notice", hidden: true });
    this.element = h("div", { class: "llm-frame", role: "group" });
    this.announceSoon = debounce((text) => (this.status.textContent = text), 500);
    this.writeSoon = debounce(() => this.write(), 400);
  }

  /**
   * Words of the view, with `{name}` filled in.
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  t(key, values = {}) {
    const fill = (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]);
    return this.strings[key].replace(/\{(\w+)\}/g, fill);
  }

  /**
   * Words that count something, in the form that the language has for the number.
   * @param {string} key  of the plural; the singular is `key` with `_one`, other forms `_few`, `_many`, …
   * @param {number} n
   * @param {Record<string, string | number>} [values]
   */
  count(key, n, values = {}) {
    const form = `${key}_${this.plurals.select(n)}`;
    return this.t(form in this.strings ? form : key, { ...values, n });
  }

  /**
   * The words for a name that comes from data, where there are some; otherwise the name itself.
   * @param {string} kind  what it is a name of: the key is `kind_name`
   * @param {string} name
   */
  named(kind, name) {
    return this.strings[`${kind}_${name}`] ?? name;
  }

  /** An id for a part of this view, unique on the page. @param {string} part */
  id(part) {
    return `${this.root.id}-${part}`;
  }

  /**
   * Put question, tools and body together.
   * @param {string} question
   * @param {Record<string, string | number>} state  all that the address holds; the view edits it
   * @param {{table: () => Table, picture: HTMLElement}} outputs
   */
  compose(question, state, outputs) {
    this.state = state;
    const title = h("p", { class: "llm-question", id: this.id("question") }, question);
    this.element.setAttribute("aria-labelledby", title.id);
    const tools = toolbar(this, outputs);
    const head = h("div", { class: "llm-head" }, title, tools);
    this.return = button(this.t("return"), () => this.goBack(), { class: "llm-button llm-return", hidden: true });
    this.element.append(this.return, head, this.notice, this.body, this.status);
  }

  /** Say a change once, when it has settled. @param {string} text */
  announce(text) {
    this.announceSoon(text);
  }

  /** Show a message to everyone; an empty one takes it away. @param {string} text */
  tell(text) {
    this.notice.textContent = text;
    this.notice.hidden = !text;
    if (text) this.announce(text);
  }

  /** Call `apply` with what the address names, now and whenever it changes; all else goes back to the start. */
  onAddress(apply) {
    const start = { ...this.state };
    let origin = null;
    const show = () => this.root.scrollIntoView();
    const follow = (leap) => {
      const [name, query] = split(location.hash);
      const here = name === this.address && this.root.isConnected;
      if (here) {
        const named = Object.fromEntries(new URLSearchParams(query));
        const others = Object.entries(start).filter(([key, value]) => !(key in named) && this.state[key] !== value);
        if (others.length) apply(Object.fromEntries(others));
        apply(named);
        leap();
      }
      this.leftFrom(here ? origin : null);
      origin = null;
    };
    addEventListener("hashchange", () => follow(show));
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.('a[href^="#"]');
      origin = link && { link, top: link.getBoundingClientRect().top };
      if (link?.hash === location.hash) follow(show); // no hashchange will come
    });
    follow(() => requestAnimationFrame(show));
  }

  /** Offer a way back to the link from which the page leapt here. @param {Origin | null} origin */
  leftFrom(origin) {
    this.origin = origin;
    this.return.hidden = !origin;
    this.return.focus({ preventScroll: true });
  }

  /** Return to that link, and put it where it stood in the window. */
  goBack() {
    const { link, top } = this.origin;
    this.leftFrom(null);
    link.focus({ preventScroll: true });
    scrollBy({ top: link.getBoundingClientRect().top - top, behavior: "instant" });
  }

  /** The view's part of the address. */
  link() {
    return `#${this.address}?${new URLSearchParams(this.state)}`;
  }

  /** Keep the state in the address, soon and without a new entry in the history. */
  remember() {
    this.writeSoon();
  }

  write() {
    if (!addressable()) return;
    try {
      history.replaceState(history.state, "", this.link());
    } catch {
      // A sandboxed frame has no address of its own.
    }
  }

  /** Call `load` when the view is first in sight; it counts as pending until that is done. */
  loadWhenSeen(load) {
    this.root.dataset.pending = "";
    whenSeen(this.root, () => load().finally(() => delete this.root.dataset.pending));
  }

  /**
   * A large text: inline, or from a file that the site's pages share, loaded on first use.
   * @param {string} name
   * @returns {Promise<string>}
   */
  async load(name) {
    const inline = this.root.querySelector(`script[data-shared="${name}"]`);
    if (inline) return JSON.parse(inline.textContent);
    const file = this.files[name];
    const key = file.replace(/\.js$/, "");
    if (!globalThis.llmShared?.[key]) await loadScript(sharedAddress(file));
    return globalThis.llmShared[key];
  }
}
