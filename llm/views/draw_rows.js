/** Words that may come: a bar for the chance that is drawn from, an outline for the truth, dots for draws. */

import { h, isolate, markOption, number, roving } from "./parts.js";
import { percent } from "./token_strip.js";

const PER_DOT = 10;

/**
 * @typedef {{id: number, label: string, base: number, p: number | null, truth: number | null, cut: string | null}} DrawRow
 *   `base` is the model's own chance, `p` the one that is drawn from, null as long as it is hidden,
 *   `cut` the words for the filter that took it out
 */

export class DrawRows {
  /** @param {import("./frame.js").Frame} frame @param {(id: number) => void} choose */
  constructor(frame, choose) {
    this.frame = frame;
    this.element = h("div", { class: "llm-draw-rows", role: "listbox", "aria-label": frame.t("rows_label") });
    roving(this.element, { select: (i) => this.rows[i].id !== this.chosen && choose(this.rows[i].id), hover: () => {} });
  }

  /** @param {DrawRow[]} rows @param {number} chosen  the id of a row */
  draw(rows, chosen) {
    Object.assign(this, { rows, chosen });
    this.widest = Math.max(...rows.flatMap(({ base, p, truth }) => [p ?? base, truth ?? 0]), 1e-9);
    const focused = this.element.contains(document.activeElement);
    const options = rows.map((row) => this.option(row));
    this.element.replaceChildren(...options);
    markOption(options, rows.findIndex(({ id }) => id === chosen));
    if (focused) this.element.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  }

  option({ label, base, p, truth, cut }) {
    const { frame } = this;
    const long = (share) => `inline-size: ${((100 * share) / this.widest).toFixed(2)}%`;
    const place = (share) => `inset-inline-start: ${((100 * share) / this.widest).toFixed(2)}%`;
    const marks = [h("span", { class: "llm-filled", style: long(p ?? base) })];
    if (truth) marks.push(h("span", { class: "llm-hollow", style: long(truth) }));
    if (p !== null) marks.push(h("span", { class: "llm-before", style: place(Math.min(base, this.widest)) }));
    const dots = h("span", { class: "llm-dots" });
    const shown = percent(p ?? base);
    const name = frame.t(truth === null ? "row" : "row_truth", { word: isolate(label), p: shown, truth: percent(truth ?? 0) });
    return h("div", { role: "option", tabindex: -1, class: `llm-draw-row${cut ? " llm-cut" : ""}`, "aria-label": cut ? frame.t("row_cut", { word: isolate(label), filter: cut }) : name },
      h("span", { class: "llm-next-label" }, label), h("span", { class: "llm-draw-bars", "aria-hidden": "true" }, h("span", { class: "llm-bars" }, marks), dots),
      h("span", { class: "llm-number" }, cut ?? shown), h("span", { class: "llm-number llm-drawn" }));
  }

  /** Show how often each word was drawn, of so many draws. @param {(id: number) => number} count @param {number} draws */
  tally(count, draws) {
    [...this.element.children].forEach((option, i) => {
      const n = count(this.rows[i].id);
      const dots = option.querySelector(".llm-dots");
      const width = n ? (100 * n) / draws / this.widest : 0;
      dots.style.inlineSize = `${Math.min(100, width).toFixed(2)}%`;
      dots.style.backgroundSize = `${n ? (100 * PER_DOT) / Math.max(n, PER_DOT) : 100}% 100%`;
      option.querySelector(".llm-drawn").textContent = draws ? number(n) : "";
    });
  }
}
