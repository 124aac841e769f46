/** A sentence of the reader's own, read by the model as it was at several moments of its training. */

import { PastModels, breath } from "./film_past.js";
import { button, debounce, h, isolate } from "./parts.js";
import { FilmRow } from "./film_row.js";
import { percent } from "./token_strip.js";

const LONGEST = 400; // letters of a sentence
const NAMED = 3; // words whose true chances are named

export class FilmSentence {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(change: {step?: number, sentence?: string}) => void} change
   */
  constructor(frame, change) {
    const { past } = frame.data;
    Object.assign(this, { frame, change, past, readings: new Map(), position: null });
    this.element = h("section", { class: "llm-part llm-past", hidden: true }, h("p", { class: "llm-subtitle" }, frame.t("past_title")));
    if (past?.steps) this.build();
    else if (past) this.element.append(h("p", { class: "llm-legend" }, past.reason ? frame.t("past_missing", { reason: past.reason }) : frame.t("past_ask")));
  }

  build() {
    const { frame, past } = this;
    this.models = new PastModels(frame, past);
    this.usual = this.sentence = past.examples[0][1];
    this.rows = new Map(past.steps.map((step) => [step, this.row(step)]));
    this.start = button(this.offer(), () => this.load());
    this.progress = h("p", { class: "llm-message", tabindex: -1, hidden: true });
    this.truth = h("p", { class: "llm-message", hidden: true });
    this.legend = h("p", { class: "llm-legend", hidden: true }, frame.t("past_legend"));
    this.list = h("ol", { class: "llm-past-rows" });
    this.element.append(this.field(), this.start, this.progress, this.legend, this.truth, this.list);
    this.readSoon = debounce(() => this.read(), 300);
  }

  field() {
    const { frame } = this;
    const id = frame.id("sentence");
    const set = (sentence) => this.change({ sentence });
    this.input = h("textarea", { id, rows: 2, dir: "auto", maxlength: LONGEST, spellcheck: "false", autocomplete: "off", oninput: () => set(this.input.value) });
    this.input.value = this.sentence;
    const examples = this.past.examples.map(([name, text]) => button(frame.named("past_example", name), () => set(text)));
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("past_label")), this.input,
      h("div", { class: "llm-examples" }, frame.t("past_examples"), examples));
  }

  row(step) {
    const go = () => this.change({ step });
    const choose = (position) => {
      this.position = position;
      this.drawAll();
    };
    return new FilmRow(this.frame, step, { go, choose });
  }

  /** What the button offers, with its size where that is not in the page already. */
  offer() {
    const { frame, past } = this;
    return past.megabytes === null ? frame.t("past_begin") : frame.t("past_load", { mb: past.megabytes });
  }

  /** @param {any} film @param {number} index  of the moment shown @param {(step: number) => number} nearest */
  show(film, index, nearest) {
    this.element.hidden = !this.past || film.name !== "storyteller";
    if (!this.rows) return;
    for (const [step, row] of this.rows) row.mark(nearest(step) === index);
  }

  hide() {
    this.element.hidden = true;
  }

  /** Whether the reader has put a sentence in place of the usual one. */
  get changed() {
    return this.sentence !== this.usual;
  }

  /** A sentence from the reader or the address. @param {string} text */
  set(text) {
    const sentence = text.slice(0, LONGEST);
    if (!this.rows || sentence === this.sentence) return;
    this.sentence = sentence;
    this.position = null;
    if (this.input.value !== sentence) this.input.value = sentence;
    this.readSoon();
  }

  /** Get the models, one after another; each reads the sentence when it is there. */
  async load() {
    const { frame, models } = this;
    const steps = models.missing;
    this.start.hidden = true;
    this.progress.hidden = this.legend.hidden = false;
    this.progress.focus({ preventScroll: true });
    await models.load({
      before: (step) => this.tell(frame.t("past_loading", { step, n: steps.indexOf(step) + 1, all: steps.length })),
      after: (step) => this.arrive(step),
    });
    const { missing } = models;
    this.start.hidden = !missing.length;
    if (missing.length) this.start.textContent = frame.t("past_again");
    this.tell(missing.length ? frame.t("past_lost", { steps: missing.join(", ") }) : frame.t("past_here"));
  }

  tell(text) {
    this.progress.textContent = text;
    this.frame.announce(text);
  }

  /** A model is there, or is known not to come. @param {number} step */
  async arrive(step) {
    const row = this.rows.get(step);
    if (!row.element.isConnected) this.list.append(row.element);
    if (this.models.models.get(step)) await this.readBy(step, this.sentence);
    else row.fail();
  }

  /** Let each model that is there read the sentence as it stands. */
  async read() {
    const { sentence } = this;
    for (const step of this.models.steps) {
      if (this.models.models.get(step)) await this.readBy(step, sentence);
    }
  }

  /** @param {number} step @param {string} sentence  left alone if another one stands there by now */
  async readBy(step, sentence) {
    const stale = () => sentence !== this.sentence;
    const reading = await this.models.read(step, sentence, stale);
    if (stale()) return;
    this.readings.set(step, reading);
    this.drawRow(step);
    await breath();
  }

  drawAll() {
    for (const step of this.readings.keys()) this.drawRow(step);
  }

  drawRow(step) {
    const reading = this.readings.get(step);
    const position = Math.min(this.position ?? Infinity, reading.length - 1);
    this.rows.get(step).draw(reading, position);
    this.truth.hidden = false;
    this.truth.textContent = this.verdict(reading, position);
  }

  /** What comes next in truth, or why nobody can say. */
  verdict(reading, position) {
    const { frame } = this;
    const after = isolate(reading.model.label(reading.ids[position]));
    const story = reading.storyAt(position);
    if (!story) return frame.t("past_cut", { n: reading.cut });
    if (story.stranger) return frame.t("past_untold", { word: isolate(story.stranger) });
    if (!story.next.size) return frame.t("past_over");
    const next = [...story.next].toSorted(([, a], [, b]) => b - a);
    const words = next.slice(0, NAMED).map(([word, p]) => `${isolate(word)} ${percent(p)}`).join(", ");
    return next.length > NAMED ? frame.t("past_open", { after, words, n: next.length - NAMED }) : frame.t("past_sure", { after, words });
  }
}
