/** What may come next: bars of the model's chances, hollow ones of the truth; a click goes on with a word. */

import { button, h, isolate } from "./parts.js";
import { percent } from "./token_strip.js";

const SHOWN = 12;
const FEWEST = 3;
const SMALL = 0.0005; // chances below are not worth a row

export class NextWords {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(id: number) => void} choose  go on with a token
   * @param {() => void} cutBack  take away the end with which no story goes on
   */
  constructor(frame, choose, cutBack) {
    Object.assign(this, { frame, choose });
    this.title = h("p", { class: "llm-subtitle", id: frame.id("next") });
    this.list = h("ol", { class: "llm-next", "aria-labelledby": this.title.id });
    this.rest = h("p", { class: "llm-legend" });
    this.truth = h("p", { class: "llm-message llm-truth" });
    const key = (kind) => h("span", {}, h("span", { class: `llm-swatch llm-${kind}` }), frame.t(`key_${kind}`));
    this.key = h("p", { class: "llm-legend llm-key-bars" }, key("filled"), key("hollow"));
    this.cutBack = button(frame.t("cut_back"), cutBack, { class: "llm-button llm-cut-back" });
    this.element = h("div", { class: "llm-part llm-nextwords" }, this.title, this.key, this.list, this.rest, this.truth, this.cutBack);
  }

  /** @param {import("./reading.js").Reading} reading @param {number} position @param {object} settings */
  draw(reading, position, settings) {
    const { frame } = this;
    const story = reading.storyAt(position);
    const worth = ({ p, truth }, i) => i < FEWEST || Math.max(p, truth ?? 0) >= SMALL;
    const expected = reading.expectedAt(position, settings, SHOWN).filter(worth);
    const widest = Math.max(...expected.map(({ p, truth }) => Math.max(p, truth ?? 0)));
    this.title.textContent = frame.t("next_title", { after: isolate(reading.word(position)) });
    this.fill(expected.map((row) => this.row(row, widest)));
    this.rest.textContent = this.others(reading, position, settings, expected);
    this.key.hidden = expected.every(({ truth }) => truth === null);
    this.truth.textContent = this.verdict(story, reading, position);
    this.truth.hidden = !reading.words;
    this.cutBack.hidden = !story?.stranger;
  }

  /** Put the focus on the first word. */
  focus() {
    this.list.querySelector("button").focus({ preventScroll: true });
  }

  /** New rows, without taking the focus away from the place where it was. */
  fill(rows) {
    const at = [...this.list.children].findIndex((item) => item.contains(document.activeElement));
    this.list.replaceChildren(...rows);
    if (at >= 0) this.list.children[Math.min(at, rows.length - 1)].firstChild.focus({ preventScroll: true });
  }

  row({ id, label, p, truth }, widest) {
    const { frame } = this;
    const width = (chance) => `inline-size: ${((100 * chance) / widest).toFixed(2)}%`;
    const hollow = truth ? [h("span", { class: "llm-hollow", style: width(truth) })] : [];
    const bars = h("span", { class: "llm-bars", "aria-hidden": "true" }, h("span", { class: "llm-filled", style: width(p) }), hollow);
    const words = { word: isolate(label), p: percent(p), truth: percent(truth ?? 0) };
    const name = frame.t(truth === null ? "next_word" : "next_word_truth", words);
    const known = truth === null ? [] : [h("span", { class: "llm-number llm-true" }, percent(truth))];
    return h("li", {}, h("button", { type: "button", class: "llm-next-word", "aria-label": name, onclick: () => this.choose(id) },
      h("span", { class: "llm-next-label" }, label), bars, h("span", { class: "llm-number" }, percent(p)), known));
  }

  /** What the list leaves out, as a number of tokens and their share. */
  others({ model }, position, settings, expected) {
    const left = 1 - expected.reduce((sum, { p }) => sum + p, 0);
    const n = model.config.vocab_size - expected.length;
    return left < 0.0005 ? this.frame.t("next_none", { n }) : this.frame.t("next_rest", { n, share: percent(left) });
  }

  /** How far the model is from the truth, or why there is no truth here. */
  verdict(story, reading, position) {
    const { frame } = this;
    if (!story) return frame.t("truth_cut");
    if (story.stranger) return frame.t("truth_none", { word: isolate(story.stranger) });
    const distance = reading.distanceAt(position);
    return distance === null ? frame.t("truth_end") : frame.t("truth_distance", { nats: distance.toFixed(4) });
  }
}
