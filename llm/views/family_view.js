/** Whom may a token see, and what is it asked for? Python's half is `family_view.py`. */

import { choice, h, isolate, markOption, roving } from "./parts.js";
import { Prediction } from "./predict.js";
import { s } from "./chart.js";

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new FamilyView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
}

class FamilyView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.state = { ...frame.data.state };
    this.prediction = new Prediction(frame, "predict");
    this.build();
  }

  build() {
    const { frame } = this;
    const choices = Object.keys(frame.data.families).map((value) => ({ value, content: [
      h("span", { class: "llm-way-name" }, frame.named("family", value)), h("span", { class: "llm-name" }, frame.named("note", value))] }));
    this.choice = choice({ name: frame.id("family"), legend: frame.t("families_label"), choices }, (family) => this.change({ family, query: frame.data.first[family] }));
    this.list = h("div", { class: "llm-family-tokens", role: "listbox", "aria-orientation": "horizontal", "aria-label": frame.t("tokens_label") });
    roving(this.list, { select: (query) => query !== this.state.query && this.change({ query }), hover: () => {} });
    this.said = h("p", { class: "llm-message" });
    this.grid = s("svg", { class: "llm-family-grid", "aria-hidden": "true" });
    this.legend = h("p", { class: "llm-legend" }, frame.t("legend"));
    this.map = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("map_title")), this.legend, this.grid);
    const look = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("tokens_title")), this.list, this.prediction.element, this.said);
    this.picture = h("div", { class: "llm-family" }, look, this.map);
    frame.body.append(this.choice, this.picture);
  }

  get family() {
    return this.frame.data.families[this.state.family];
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    this.frame.announce(this.state.shown ? this.said.textContent : this.prediction.label.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state, frame } = this;
    if (Object.hasOwn(frame.data.families, change.family) && change.family !== state.family) {
      Object.assign(state, { family: change.family, query: frame.data.first[change.family] });
    }
    const query = Math.trunc(Number(change.query ?? state.query));
    if (query >= 0 && query < this.family.tokens.length) state.query = query;
    if ("shown" in change) state.shown = Number(change.shown) ? 1 : 0;
    this.update();
  }

  update() {
    const { frame, state } = this;
    this.choice.querySelector(`input[value="${state.family}"]`).checked = true;
    this.drawTokens();
    this.drawGrid();
    this.said.textContent = state.shown ? this.sentence() : "";
    this.map.hidden = !state.shown;
    this.ask();
    frame.redrawTable?.();
  }

  drawTokens() {
    const { frame, state, family } = this;
    const options = family.tokens.map((token, i) => this.token(token, i));
    const focused = this.list.contains(document.activeElement);
    const gap = h("span", { class: "llm-family-break", "aria-hidden": "true" }, frame.t("target_mark"));
    const source = options.slice(0, family.read);
    this.list.replaceChildren(...source, ...(family.read ? [gap] : []), ...options.slice(family.read));
    markOption(options, state.query);
    if (focused) options[state.query]?.focus();
  }

  token(token, i) {
    const { frame, state, family } = this;
    const seen = family.mask[state.query][i];
    const mark = state.shown ? (seen ? " llm-sees" : " llm-blind") : "";
    const words = state.shown ? frame.t(seen ? "is_seen" : "is_not_seen", { word: isolate(token) }) : isolate(token);
    return h("span", { role: "option", tabindex: -1, class: `llm-family-token${mark}`, "aria-label": words }, token);
  }

  drawGrid() {
    const { state, family } = this;
    const n = family.tokens.length;
    this.grid.setAttribute("viewBox", `-0.5 -0.5 ${n + 1} ${n + 1}`);
    const squares = family.mask.flatMap((row, y) => row.map((seen, x) => s("rect", { x: x + 0.08, y: y + 0.08, width: 0.84, height: 0.84, rx: 0.12, class: seen ? "llm-open" : "llm-shut" })));
    const marks = [s("rect", { x: -0.12, y: state.query - 0.06, width: n + 0.24, height: 1.12, rx: 0.2, class: "llm-row" })];
    if (family.read) marks.push(s("path", { d: `M${family.read} -0.3V${n + 0.3}M-0.3 ${family.read}H${n + 0.3}`, class: "llm-between" }));
    this.grid.replaceChildren(...squares, ...marks);
  }

  seen() {
    return this.family.tokens.filter((_, i) => this.family.mask[this.state.query][i]);
  }

  sentence() {
    const { frame, state, family } = this;
    const word = isolate(family.tokens[state.query]);
    const asked = family.asked[state.query];
    const sees = frame.t("sees", { word, seen: this.seen().length, all: family.tokens.length, list: isolate(this.seen().join(" ")) });
    return `${sees} ${asked ? frame.t("asked", { asked: isolate(asked) }) : frame.t("not_asked")}`;
  }

  /** Ask how many tokens are seen, until the reader has once seen the answer. */
  ask() {
    const { frame, state, family } = this;
    this.prediction.element.hidden = Boolean(state.shown);
    const key = `${state.family} ${state.query}`;
    if (state.shown || this.askedFor === key) return;
    this.askedFor = key;
    const right = this.seen().length;
    const all = family.tokens.length;
    const numbers = [...new Set([1, right, state.query, state.query + 1, all - 1, all])].filter((n) => n > 0).sort((a, b) => a - b);
    this.prediction.ask(frame.t("ask", { word: isolate(family.tokens[state.query]), all }), numbers.map(String), (chosen) => {
      this.change({ shown: 1 });
      const verdict = frame.t(numbers[chosen] === right ? "right" : "wrong", { n: right });
      this.said.textContent = `${verdict} ${this.said.textContent}`;
      frame.announce(this.said.textContent);
      this.list.querySelector("[tabindex='0']")?.focus();
    });
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, state, family } = this;
    const list = (row) => family.tokens.filter((_, i) => row[i]).join(" ");
    const rows = family.tokens.map((token, i) => [token, list(family.mask[i]), family.asked[i] || "–"]);
    return { caption: frame.named("family", state.family), head: [frame.t("column_token"), frame.t("column_sees"), frame.t("column_asked")], rows };
  }
}
