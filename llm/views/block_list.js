/** The parts of a model as rows: what is added, how long, and what the model would say so far. */

import { h, isolate, markOption, roving } from "./parts.js";
import { bothSigns, heatRows, norm } from "./heat_rows.js";
import { percent } from "./token_strip.js";

export class PartList {
  /** @param {import("./frame.js").Frame} frame @param {(part: string) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, parts: [] });
    this.list = h("div", { class: "llm-sum", role: "listbox", "aria-label": frame.t("parts_label") });
    roving(this.list, { select: (i) => this.parts[i] !== this.chosen && choose(this.parts[i]), hover: () => {} });
    this.head = h("div", { class: "llm-sum-row llm-sum-head", "aria-hidden": "true" });
    this.element = h("div", { class: "llm-column" }, this.head, this.list,
      h("p", { class: "llm-legend" }, frame.t("parts_legend")));
  }

  /**
   * @param {{steps: import("./block_stream.js").Step[], chosen: string, off: string[], word: (id: number) => string,
   *   brings: (row: Float64Array) => number | null, traced: string}} shown
   */
  draw({ steps, chosen, off, word, brings, traced }) {
    const columns = ["part", "row", "added", "stream", "brings", "says"];
    this.head.replaceChildren(...columns.map((key) => h("span", {}, this.frame.t(`column_${key}`, { word: traced }))));
    this.parts = steps.map(({ part }) => part);
    this.chosen = chosen;
    const focused = this.list.contains(document.activeElement);
    const longest = Math.log1p(Math.max(...steps.map(({ added }) => norm(added))));
    const options = steps.map((step) => this.row(step, { off: off.includes(step.part), longest, word, logit: brings(step.added) }));
    this.list.replaceChildren(...options);
    const at = this.parts.indexOf(chosen);
    markOption(options, at);
    if (focused) options[at].focus({ preventScroll: true });
  }

  row({ part, added, after, says }, { off, longest, word, logit }) {
    const { frame } = this;
    const [length, whole] = [norm(added), norm(after)];
    const name = partName(frame, part);
    const brought = logit === null ? "–" : signed(logit);
    const words = { part: name, added: off ? frame.t("left_out") : shortly(length), stream: shortly(whole), brings: brought, word: isolate(word(says.id)), p: percent(says.p) };
    const bar = h("span", { class: "llm-bar" }, h("span", { style: `inline-size: ${((100 * Math.log1p(length)) / longest).toFixed(1)}%` }));
    return h("div", { role: "option", tabindex: -1, class: `llm-sum-row${off ? " llm-off" : ""}`, "aria-label": frame.t("part_option", words) },
      h("span", { class: "llm-sum-name" }, name), heatRows(name, [after], bothSigns([after])),
      h("span", { class: "llm-sum-length" }, h("span", { class: "llm-number" }, words.added), bar), h("span", { class: "llm-number" }, shortly(whole)), h("span", { class: "llm-number" }, brought),
      h("span", { class: "llm-sum-says" }, h("span", { class: "llm-next-label" }, word(says.id)), " ", h("span", { class: "llm-number" }, percent(says.p))));
  }
}

/** A part as a title. @param {import("./frame.js").Frame} frame @param {string} part */
export function partName(frame, part) {
  const [layer, kind] = part.split(".");
  return frame.t(`part_${kind ?? part}`, { layer });
}

/** A length with one place. @param {number} value */
export function shortly(value) {
  return value.toFixed(1);
}

/** A number with its sign. @param {number} value */
export function signed(value, places = 1) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(places)}`;
}
