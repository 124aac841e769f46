/** The prediction with and without some heads, beside each other, and the true chances where they are known. */

import { button, h, isolate } from "./parts.js";
import { softmax } from "./engine.js";
import { percent } from "./token_strip.js";
import { atOnce, bare, decimal, headName, strongestIds } from "./attention_reading.js";
import { allHeads, headsOff, offName, offText } from "./attention_off.js";
import { AttentionQuiz } from "./attention_quiz.js";

const TOP = 5;

export class HeadEffect {
  /** @param {import("./frame.js").Frame} frame @param {(change: Record<string, any>) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    this.quiz = new AttentionQuiz(frame, () => this.change({ off: headName(this.state) }));
    this.toggle = button("", () => this.switch(), { "aria-pressed": false });
    this.only = button("", () => this.isolate());
    this.reset = button(frame.t("all_on"), () => this.change({ off: "" }));
    this.status = h("p", { class: "llm-message" });
    this.rows = h("div", { class: "llm-effect" });
    this.legend = h("p", { class: "llm-legend" }, frame.t("truth_legend"));
    const buttons = h("div", { class: "llm-controls" }, this.toggle, this.only, this.reset);
    this.element = h("div", { class: "llm-column" }, this.quiz.element, buttons, this.status,
      h("p", { class: "llm-subtitle" }, frame.t("next_title")), this.rows, this.legend);
  }

  /** Switch the chosen head off or on. */
  switch() {
    const { config } = this.reading.model;
    const name = headName(this.state);
    const others = this.off.filter((at) => headName(at) !== name);
    this.change({ off: offText(others.length < this.off.length ? others : headsOff([...this.off.map(headName), name].join(","), config), config) });
  }

  /** Switch all but the chosen head off. */
  isolate() {
    const { config } = this.reading.model;
    const name = headName(this.state);
    this.change({ off: offText(allHeads(config).filter((at) => headName(at) !== name), config) });
  }

  /** @param {import("./attention_reading.js").HeadReading} reading @param {Record<string, any>} state @param {import("./attention_reading.js").Head[]} off */
  draw(reading, state, off) {
    const { frame } = this;
    Object.assign(this, { reading, state, off });
    const head = headName(state);
    const isOff = off.some((at) => headName(at) === head);
    this.toggle.textContent = frame.t(isOff ? "switch_on" : "switch_off", { head });
    this.toggle.setAttribute("aria-pressed", isOff);
    this.only.textContent = frame.t("only", { head });
    this.only.hidden = allHeads(reading.model.config).length < 2;
    this.reset.hidden = !off.length;
    const before = softmax(reading.last(reading.logits));
    const after = off.length ? softmax(reading.last(atOnce(reading.without(off)))) : null;
    this.quiz.ask(reading, state, off, before);
    this.compare(before, after);
  }

  /** @param {Float64Array} before @param {Float64Array | null} after */
  compare(before, after) {
    const { frame, reading } = this;
    const truth = reading.truthAt(reading.length - 1);
    const ids = [...new Set([...strongestIds(before, TOP), ...(after ? strongestIds(after, TOP) : [])])];
    ids.sort((a, b) => Math.max(before[b], after?.[b] ?? 0) - Math.max(before[a], after?.[a] ?? 0) || a - b);
    const off = after ? offName(frame, this.off, reading.model.config) : "";
    this.rows.replaceChildren(this.heading(off, truth), ...ids.map((id) => this.row(id, [before[id], after?.[id]], truth, off)));
    this.legend.hidden = !truth;
    this.status.textContent = this.describe(before, after, off);
  }

  row(id, [p, q], truth, off) {
    const { frame, reading } = this;
    const bar = (kind, chance) => h("span", { class: `llm-chance ${kind}` }, h("span", { style: `inline-size: ${(100 * chance).toFixed(2)}%` }));
    const chance = truth && (truth.get(id) ?? 0);
    const line = chance ? [h("span", { class: "llm-true-line", style: `inset-inline-start: ${(100 * chance).toFixed(2)}%` })] : [];
    const shown = [["llm-before", p], ["llm-after", q]].filter(([, value]) => value !== undefined);
    const bars = h("span", { class: "llm-chances", "aria-hidden": "true" }, shown.map(([kind, value]) => bar(kind, value)), line);
    const texts = [[frame.t("with_all"), p], [off, q], [frame.t("truth"), truth ? chance : undefined]].filter(([, value]) => value !== undefined);
    const cells = texts.map(([name, value]) => h("span", { class: "llm-number" }, h("span", { class: "llm-hidden" }, `${name} `), percent(value)));
    return h("div", { class: "llm-effect-row", style: `--numbers: ${texts.length}` },
      h("span", { class: "llm-effect-word" }, bare(reading.model.label(id))), bars, h("span", { class: "llm-effect-numbers" }, cells));
  }

  /** What the bars and the columns of numbers stand for. */
  heading(off, truth) {
    const { frame } = this;
    const bar = (kind) => h("span", { class: `llm-chance ${kind}` }, h("span", {}));
    const parts = [[bar("llm-before"), frame.t("with_all")]];
    if (off) parts.push([bar("llm-after"), off]);
    if (truth) parts.push([h("span", { class: "llm-true-line" }), frame.t("truth")]);
    const cells = parts.map(([sign, text]) => h("span", {}, h("span", { class: "llm-sign-bar" }, sign), text));
    return h("div", { class: "llm-effect-row llm-effect-head", style: `--numbers: ${parts.length}`, "aria-hidden": "true" },
      h("span", {}), h("span", { class: "llm-chances" }), h("span", { class: "llm-effect-numbers" }, cells));
  }

  describe(before, after, off) {
    const { frame, reading } = this;
    const first = (chances) => strongestIds(chances, 1)[0];
    const words = (id) => isolate(bare(reading.model.label(id)));
    const now = { before: words(first(before)), p: percent(before[first(before)]) };
    if (!after) return frame.t("effect_now", now);
    return frame.t("effect_status", { ...now, off, after: words(first(after)), q: percent(after[first(after)]) });
  }
}

/** A table of what each head's removal costs, the dearest first. */
export class CostTable {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.progress = h("p", { class: "llm-legend" });
    this.place = h("div", { class: "llm-cost-table", tabindex: 0, role: "region", "aria-label": frame.t("costs_title") });
    this.element = h("details", { class: "llm-more" }, h("summary", {}, frame.t("costs_title")),
      h("p", { class: "llm-legend" }, frame.t("costs_legend")), this.progress, this.place);
    this.element.addEventListener("toggle", () => this.draw(this.reading, this.costs));
  }

  /** @param {import("./attention_reading.js").HeadReading} reading @param {Map<string, import("./attention_costs.js").Cost>} costs */
  draw(reading, costs) {
    const { frame } = this;
    Object.assign(this, { reading, costs });
    if (!this.element.open || !reading) return;
    const before = softmax(reading.last(reading.logits));
    const token = isolate(bare(reading.model.label(strongestIds(before, 1)[0])));
    this.progress.textContent = frame.t("costs_progress", { done: costs.size, n: allHeads(reading.model.config).length });
    const head = [frame.t("cost_head"), frame.t("cost_loss"), frame.t("cost_chance", { token })].map((text) => h("th", { scope: "col" }, text));
    const rows = [...costs].sort(([, a], [, b]) => b.loss - a.loss).map(([name, { loss, chance }]) =>
      h("tr", {}, [name, decimal(loss), percent(chance)].map((text) => h("td", { class: "llm-number" }, text))));
    this.place.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
  }
}
