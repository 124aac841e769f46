/** The lens as a grid of words, and the shares of the parts: heads as squares, all others as bars. */

import { h, isolate, markOption, roving } from "./parts.js";
import { reveal, percent } from "./token_strip.js";

const SURE = 0.5;

/** A place of the model as it is named in the view. @param {import("./frame.js").Frame} frame @param {string} place */
export function placeName(frame, place) {
  const [layer, half] = place.split(".");
  return frame.t(`place_${half ?? place}`, { layer });
}

export class LensGrid {
  /** @param {import("./frame.js").Frame} frame @param {(place: number, token: number) => void} choose */
  constructor(frame, choose) {
    this.frame = frame;
    this.columns = 1;
    this.head = h("div", { class: "llm-lens-row llm-lens-head", "aria-hidden": "true" });
    this.list = h("div", { class: "llm-lens-list", role: "listbox", "aria-label": frame.t("grid_label") });
    const select = (i) => i !== this.chosen && choose(Math.floor(i / this.columns), i % this.columns);
    roving(this.list, { select, hover: () => {}, columns: () => this.columns });
    this.box = h("div", { class: "llm-lens-grid", dir: "ltr" }, this.head, this.list);
  }

  /**
   * @param {{places: string[], tokens: string[], firsts: {id: number, p: number}[][], word: (id: number) => string,
   *   place: number, token: number}} shown
   */
  draw({ places, tokens, firsts, word, place, token }) {
    const { frame } = this;
    this.columns = tokens.length;
    this.chosen = place * tokens.length + token;
    this.box.style.setProperty("--columns", tokens.length);
    this.head.replaceChildren(h("span", {}), ...tokens.map((text, t) => h("span", { class: t === token ? "llm-lens-here" : null }, text)));
    const focused = this.list.contains(document.activeElement);
    const options = [];
    const rows = firsts.map((row, i) => {
      const name = placeName(frame, places[i]);
      const cells = row.map(({ id, p }, t) => h("span", {
        role: "option", tabindex: -1, class: `llm-lens-cell${p > SURE ? " llm-lens-sure" : ""}`, style: `--p: ${p.toFixed(3)}`,
        "aria-label": frame.t("cell", { token: isolate(tokens[t]), place: name, word: isolate(word(id)), p: percent(p) }),
      }, word(id)));
      options.push(...cells);
      return h("div", { class: "llm-lens-row", role: "presentation" }, h("span", { class: "llm-lens-name", "aria-hidden": "true" }, name), ...cells);
    });
    this.list.replaceChildren(...rows);
    markOption(options, this.chosen);
    const at = options[this.chosen];
    if (focused) at.focus({ preventScroll: true });
    this.show(at);
  }

  /** Scroll the box, and nothing around it, until the chosen square stands beside the names. */
  show(at) {
    const [outer, inner] = [this.box.getBoundingClientRect(), at.getBoundingClientRect()];
    const name = this.list.querySelector(".llm-lens-name").getBoundingClientRect().width;
    this.box.scrollLeft += Math.min(0, inner.left - outer.left - name) + Math.max(0, inner.right - outer.right);
    reveal(this.box, at);
  }
}

export class SharePart {
  /** @param {import("./frame.js").Frame} frame @param {(head: string) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, heads: [] });
    this.list = h("div", { class: "llm-lens-heads", role: "listbox", "aria-label": frame.t("heads_label") });
    const select = (i) => this.heads[i] !== this.chosen && choose(this.heads[i]);
    roving(this.list, { select, hover: () => {}, columns: () => this.columns });
    this.others = h("div", { class: "llm-lens-others" });
    this.legend = h("p", { class: "llm-legend" });
    this.element = h("div", { class: "llm-column" }, h("div", { class: "llm-lens-scroll" }, this.list), this.others, this.legend);
  }

  /** @param {{shares: Map<string, number>, heads: string[], columns: number, chosen: string, off: string[], logit: number}} shown */
  draw({ shares, heads, columns, chosen, off, logit }) {
    const { frame } = this;
    Object.assign(this, { heads, columns, chosen });
    const most = Math.max(1e-9, ...[...shares.values()].map(Math.abs));
    const focused = this.list.contains(document.activeElement);
    this.list.style.setProperty("--columns", columns);
    const options = heads.map((head) => {
      const isOff = off.includes(head);
      const share = shares.get(head);
      const label = isOff ? frame.t("head_off", { head }) : frame.t("head", { head, share: withSign(share) });
      return h("span", { role: "option", tabindex: -1, class: `llm-lens-share${isOff ? " llm-off" : ""}`, style: `--deep: ${Math.sqrt(Math.abs(share) / most).toFixed(3)}`, "aria-label": label },
        h("span", { class: "llm-legend llm-lens-share-name" }, head), h("span", { class: "llm-number" }, isOff ? "–" : withSign(share)));
    });
    this.list.replaceChildren(...options);
    markOption(options, heads.indexOf(chosen));
    if (focused) options[heads.indexOf(chosen)].focus({ preventScroll: true });
    const others = [...shares].filter(([part]) => !heads.includes(part));
    this.others.replaceChildren(...others.map(([part, share]) => {
      const [layer, kind] = part.split(".");
      const bar = h("span", { class: "llm-bar" }, h("span", { style: `inline-size: ${((100 * Math.abs(share)) / most).toFixed(1)}%` }));
      return h("div", {}, h("span", {}, frame.t(`part_${kind ?? part}`, { layer })), h("span", { class: "llm-number" }, withSign(share)), bar);
    }));
    this.legend.textContent = frame.t("heads_legend", { logit: withSign(logit) });
  }
}

/** A share with its sign. @param {number} value */
function withSign(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
}
