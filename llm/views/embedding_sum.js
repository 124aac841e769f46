/** One word minus another plus a third: which row is nearest to the sum? */

import { button, h, isolate } from "./parts.js";
import { WordField } from "./word_field.js";
import { wordBars, written3 } from "./word_list.js";

const SHOWN = 5;
const NAMES = ["a", "b", "c"];

export class WordSum {
  /** @param {import("./frame.js").Frame} frame @param {string} listId @param {(change: object) => void} change */
  constructor(frame, listId, change) {
    Object.assign(this, { frame, change });
    this.fields = NAMES.map((name) => new WordField(frame, name, listId, change));
    const id = frame.id("without");
    this.without = h("input", { id, type: "checkbox", onchange: () => change({ without: this.without.checked ? 1 : 0 }) });
    const box = h("div", { class: "llm-check" }, this.without, h("label", { for: id }, frame.t("leave_out")));
    const tries = frame.data.sums.map((words) =>
      button(`${words[0]} − ${words[1]} + ${words[2]}`, () => change(Object.fromEntries(NAMES.map((name, i) => [name, words[i]])))));
    const examples = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), tries);
    this.result = h("div", { class: "llm-column" });
    this.said = h("p", { class: "llm-message" });
    this.element = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("sum_title")),
      h("div", { class: "llm-three" }, this.fields.map(({ element }) => element)), examples, box, this.said, this.result);
  }

  /** @param {import("./word_table.js").WordTable | undefined} table @param {Record<string, any>} state @param {(word: string) => number} find */
  draw(table, state, find) {
    const { frame } = this;
    const ids = NAMES.map((name) => find(state[name]));
    this.fields.forEach((field, i) => field.draw(state[NAMES[i]], ids[i] >= 0));
    this.without.checked = Boolean(state.without);
    const missing = NAMES.filter((_, i) => ids[i] < 0).map((name) => state[name]);
    this.found = !table || missing.length ? [] : table.nearest(table.sum(...ids), SHOWN, state.without ? ids : []);
    const note = (id) => (ids.includes(id) ? frame.t("an_input") : "");
    const items = this.found.map(({ id, cosine }) => ({ word: table.labels[id], value: cosine, note: note(id) }));
    this.result.replaceChildren(wordBars(frame.t("sum_list"), items, (word) => this.change({ word, shown: 1 })));
    this.said.textContent = this.sentence(table, state, missing);
  }

  sentence(table, { a, b, c }, missing) {
    if (missing.length) return this.frame.t("unknown", { word: isolate(missing[0]) });
    if (!this.found.length) return "";
    const [{ id, cosine }] = this.found;
    return this.frame.t("sum_said", { a: isolate(a), b: isolate(b), c: isolate(c), word: isolate(table.labels[id]), cosine: written3(cosine) });
  }
}
