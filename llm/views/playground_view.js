/** What does the model expect next, and how does it get there? Python's half is `playground_view.py`. */

import { NextWords } from "./next_words.js";
import { PromptForm } from "./prompt_form.js";
import { Reading } from "./reading.js";
import { Sampler, nextToken } from "./sampler.js";
import { StagePart } from "./stage_part.js";
import { TextPart } from "./text_part.js";
import { Tour } from "./tour.js";
import { Writing } from "./writing.js";
import { h, isolate } from "./parts.js";
import { loadModel } from "./language_model.js";
import { notices } from "./playground_notices.js";
import { percent } from "./token_strip.js";
import { strangersIn } from "./strangers.js";
import { validState } from "./playground_state.js";

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new Playground(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.start());
}

class Playground {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.specs = new Map(frame.data.models.map((spec) => [spec.name, spec]));
    this.known = new Map(frame.data.models.map(({ name, known }) => [name, known && new Set(known)]));
    this.words = JSON.parse(frame.data.words);
    this.models = new Map(); // by name: a model, undefined on its way, null if it could not be had
    const { name, prompt } = frame.data.models[0];
    this.state = { prompt, model: name, position: -1, stage: 0, head: -1, ...Sampler.valid({}) };
    this.build();
  }

  build() {
    const { frame } = this;
    const change = (values) => this.change(values);
    this.form = new PromptForm(frame, frame.data.models, change);
    this.text = new TextPart(frame, (position) => change({ position }));
    this.next = new NextWords(frame, (id) => this.choose(id), () => this.cutBack());
    this.writing = new Writing(frame, () => this.step(), () => change({ prompt: this.reading.textTo(this.reading.length - 2) }));
    this.sampler = new Sampler(frame, change);
    this.how = new StagePart(frame, change, (id) => this.choose(id));
    const expert = h("details", { class: "llm-fold" }, h("summary", {}, frame.t("sampler")), this.sampler.element);
    const now = h("section", { class: "llm-part" }, this.next.element, this.writing.element, expert);
    this.picture = h("div", { class: "llm-playground" }, this.text.element, now, this.how.element);
    this.shown = h("div", { hidden: true }, this.picture); // or, in the same place, the table
    this.tour = this.guide(change);
    frame.body.append(this.form.field, this.form.choice, this.tour.open, this.shown, this.tour.element);
  }

  /** The tour: what each step says, how it sets the view, and the part it points at. */
  guide(change) {
    const { frame } = this;
    const parts = { field: this.form.field, read: this.text.element, next: this.next.element, how: this.how.element, write: this.writing.element };
    const steps = frame.data.tour.map(([name, part, values]) => ({ text: frame.named("tour", name), change: values, part: () => parts[part] }));
    const tour = new Tour(frame, steps, change);
    tour.open.hidden = !steps.length;
    return tour;
  }

  /** The view is in sight: from now on models are loaded when they are chosen. */
  start() {
    this.seen = true;
    return this.load();
  }

  async load() {
    const { frame, models, state, specs } = this;
    const name = state.model;
    if (models.has(name)) return;
    models.set(name, undefined);
    this.tellState();
    try {
      models.set(name, await loadModel(frame, specs.get(name)));
    } catch (error) {
      console.error(error);
      models.set(name, null);
    }
    this.update();
  }

  get model() {
    return this.models.get(this.state.model);
  }

  /** Say what stands in the way of the model. */
  tellState() {
    const { frame, model, reading, state, strangers, tooLong, ended } = this;
    const name = frame.named("model", state.model);
    frame.tell(notices(frame, { name, model, reading, strangers, tooLong, ended, full: Boolean(model) && this.full }));
  }

  /** Whether one token more would push the first one out. */
  get full() {
    return !this.reading.cut && this.reading.length >= this.model.config.max_seq_len;
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.announce(this.spoken());
    this.frame.remember();
  }

  /** State from the reader or the address; another text or model ends the writing. */
  apply(change) {
    if ("model" in change || "prompt" in change) this.writing.stop();
    this.put(change);
  }

  put(change) {
    const { tooLong, other, ...valid } = validState(this.state, change, this.frame.data);
    if (other) this.ended = false;
    this.tooLong = tooLong;
    Object.assign(this.state, valid);
    this.update();
  }

  update() {
    const { frame, model, state } = this;
    this.form.draw(state);
    if (this.seen) this.load();
    this.shown.hidden = !model;
    frame.body.classList.toggle("llm-loading", model === undefined);
    if (model) this.read();
    this.tellState();
    if (model) this.draw();
  }

  /** Read the text, unless it is the one that was read last. */
  read() {
    const { model, state, reading } = this;
    if (reading?.model === model && reading.prompt === state.prompt) return;
    this.reading = new Reading(model, state.prompt, this.specs.get(state.model).stories ? this.words : null);
    this.reading.prompt = state.prompt;
    const known = this.known.get(state.model);
    this.strangers = known ? strangersIn(this.reading, known) : [];
  }

  /** The place that is looked at; counted from the end where it is negative. */
  get position() {
    const { position } = this.state;
    const length = this.reading?.length ?? 0;
    return position < 0 || position >= length ? length - 1 : position;
  }

  draw() {
    const { frame, reading, state, position } = this;
    this.writing.allow(reading.length);
    this.sampler.draw(state);
    this.text.draw(reading, position, this.strangers);
    for (const part of [this.next, this.how]) {
      part.element.hidden = !reading.length;
      if (reading.length) part.draw(reading, position, state);
    }
    frame.redrawTable?.();
  }

  /** Go on with a token that the reader has chosen. @param {number} id */
  choose(id) {
    this.writing.stop();
    this.goOn(id);
  }

  /** Go on with a token after the place that is looked at. @param {number} id */
  goOn(id) {
    const { model, reading, position } = this;
    const special = model.special.has(id);
    const text = position === reading.length - 1 ? reading.text : reading.textTo(position);
    this.ended = special;
    this.put(special ? {} : { prompt: text + model.decode([id]) });
    this.frame.announce(this.spoken());
    this.frame.remember();
  }

  /** Draw one token and put it at the end. @returns {boolean} whether another should follow at once */
  step() {
    this.state.position = -1;
    this.goOn(nextToken(this.reading.logitsAt(this.position), this.state, this.reading.length).id);
    return !(this.ended || this.full || this.tooLong);
  }

  /** Take away the end with which no story goes on. */
  cutBack() {
    const { reading } = this;
    let last = this.position;
    while (last > 0 && !reading.storyAt(last).next) last -= 1;
    this.change({ prompt: reading.textTo(last) });
    this.next.focus();
  }

  /** What has changed, in a sentence. */
  spoken() {
    const { frame, model, reading, state, position } = this;
    const notice = frame.notice.textContent;
    if (!model || !reading.length) return notice;
    const top = reading.expectedAt(position, state, 3).map(({ label, p }) => `${label} ${percent(p)}`).join(", ");
    return `${notice} ${frame.t("spoken", { after: reading.word(position), top })}`.trim();
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, model, reading, state, position } = this;
    if (!model || !reading.length) return { caption: frame.notice.textContent, head: [], rows: [] };
    const rows = reading.expectedAt(position, state, 30).map(({ id, label, p, truth }) => [label, id, p, truth ?? ""]);
    const head = ["token", "id", "final", "truth"].map((name) => frame.named("column", name));
    return { caption: frame.t("table_caption", { text: isolate(reading.textTo(position)) }), head, rows };
  }
}
