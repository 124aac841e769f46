/** What does the model expect next, and how does it get there? Python's half is `playground_view.py`. */

import { button, choice, h, isolate, number } from "./parts.js";
import { NextWords } from "./next_words.js";
import { Player } from "./player.js";
import { Reading } from "./reading.js";
import { Sampler, nextToken } from "./sampler.js";
import { TokenStrip, percent } from "./token_strip.js";
import { Tour } from "./tour.js";
import { loadModel } from "./language_model.js";
import { stage, stageNames } from "./stages.js";

const PACE = 140; // milliseconds from token to token while it writes
const STAGE_PACE = 3000; // and from stage to stage

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
    this.specs = frame.data.models;
    this.known = new Map(this.specs.map(({ name, known }) => [name, known && new Set(known)]));
    this.words = frame.data.words && JSON.parse(frame.data.words);
    this.models = new Map(); // by name: a model, undefined on its way, null if it could not be had
    const { name, prompt } = this.specs[0];
    this.state = { prompt, model: name, position: -1, stage: 0, head: 0, ...Sampler.valid({}) };
    this.timer = null;
    this.build();
  }

  build() {
    const { frame } = this;
    this.choice = this.modelChoice();
    this.field = this.promptField();
    this.strip = new TokenStrip(frame.t("strip_label"), (position) => this.change({ position }));
    this.readout = h("p", { class: "llm-message llm-readout" });
    this.next = new NextWords(frame, (id) => this.goOn(id));
    this.sampler = new Sampler(frame, (change) => this.change(change));
    this.player = new Player(frame, (at) => this.change({ stage: at }), STAGE_PACE);
    this.scene = h("div", { class: "llm-scene" });
    this.tour = new Tour(frame, this.tourSteps(), (change) => this.change(change));
    const text = h("section", { class: "llm-part llm-read" }, this.strip.element, h("p", { class: "llm-legend" }, frame.t("strip_legend")), this.readout);
    const expert = h("details", { class: "llm-fold" }, h("summary", {}, frame.t("sampler")), this.sampler.element);
    const now = h("section", { class: "llm-part" }, this.next.element, this.writing(), expert);
    this.how = h("section", { class: "llm-part llm-how" }, h("p", { class: "llm-subtitle" }, frame.t("how_title")), this.player.element, this.scene);
    this.picture = h("div", { class: "llm-playground", hidden: true }, text, now, this.how);
    frame.body.append(this.field, this.choice, this.tour.open, this.picture, this.tour.element);
  }

  modelChoice() {
    const { frame } = this;
    const choices = this.specs.map(({ name }) => ({
      value: name, content: [h("span", {}, h("span", { class: "llm-name" }, frame.named("model", name)), " ", h("span", { class: "llm-legend" }, frame.named("about", name)))],
    }));
    const box = choice({ name: frame.id("model"), legend: frame.t("models_label"), choices }, (model) => this.change({ model, prompt: this.spec(model).prompt }));
    box.hidden = choices.length < 2;
    return box;
  }

  promptField() {
    const { frame } = this;
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.type(this.input.value));
    this.examples = h("div", { class: "llm-examples" });
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("prompt_label")), this.input, this.examples);
  }

  writing() {
    const { frame } = this;
    this.drawOne = button(frame.t("draw_one"), () => this.step(), { class: "llm-button llm-main" });
    this.write = button(frame.t("write"), () => this.toggle());
    this.greedy = button(frame.t("undo"), () => this.undo());
    return h("div", { class: "llm-controls" }, this.drawOne, this.write, this.greedy);
  }

  /** The tour's steps in order: what each says, how it sets the view, where it points. */
  tourSteps() {
    const parts = {
      field: () => this.field, read: () => this.picture.firstChild, next: () => this.next.element, how: () => this.how, write: () => this.drawOne.parentElement,
    };
    return this.frame.data.tour.map(([text, part, change]) => ({ text: this.frame.t(text), change, part: parts[part] }));
  }

  spec(name) {
    return this.specs.find((spec) => spec.name === name);
  }

  /** The view is in sight: from now on models are loaded when they are chosen. */
  start() {
    this.seen = true;
    return this.load();
  }

  async load() {
    const { frame, models, state } = this;
    const { name } = this.spec(state.model);
    if (models.has(name)) return;
    models.set(name, undefined);
    this.tellState();
    try {
      models.set(name, await loadModel(frame, this.spec(name)));
    } catch (error) {
      console.error(error);
      models.set(name, null);
    }
    this.update();
  }

  get model() {
    return this.models.get(this.state.model);
  }

  /** Say what stands in the way of the model: it is not here, or it cannot read some of the text. */
  tellState() {
    const { frame, model, reading, state } = this;
    const name = frame.named("model", state.model);
    if (!model) return frame.tell(frame.t(model === null ? "not_loaded" : "loading", { name }));
    const strange = this.strangers().map((word) => isolate(word)).join(", ");
    const messages = [
      this.tooLong && frame.t("cut_text", { limit: frame.data.limit }),
      reading.cut && frame.t("cut", { n: reading.cut, limit: model.config.max_seq_len }),
      reading.unknown.length && frame.t("left_out", { letters: reading.unknown.join(" ") }),
      strange && frame.t("never_seen", { name, words: strange }),
      this.ended && frame.t("ended", { name }),
    ];
    frame.tell(messages.filter(Boolean).join(" "));
  }

  /** Words of the text that were in no story. */
  strangers() {
    const known = this.known.get(this.state.model);
    if (!known) return [];
    return [...new Set(this.reading.text.match(/[\p{L}\p{N}]+/gu))].filter((word) => !known.has(word)).slice(0, 5);
  }

  /** What the reader types: shown at once. @param {string} prompt */
  type(prompt) {
    this.stop();
    this.change({ prompt, position: -1 });
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    if ("model" in change) this.stop();
    this.apply({ ...("prompt" in change ? { position: -1 } : {}), ...change });
    this.frame.announce(this.spoken());
    this.frame.remember();
  }

  /** State from the reader, the page or the address, made valid. */
  apply(change) {
    const { state, frame } = this;
    const whole = (name) => Math.trunc(Number(change[name] ?? state[name])) || 0;
    if (this.spec(change.model)) state.model = change.model;
    const letters = Array.from(String(change.prompt ?? state.prompt).replace(/\p{Surrogate}/gu, "\ufffd"));
    this.tooLong = letters.length > frame.data.limit;
    if ("prompt" in change) this.ended = false;
    Object.assign(state, { prompt: letters.slice(0, frame.data.limit).join(""), position: whole("position"), stage: whole("stage"), head: whole("head") });
    Object.assign(state, Sampler.valid({ ...state, ...change }));
    this.update();
  }

  update() {
    const { frame, model, state } = this;
    this.choice.querySelector(`input[value="${CSS.escape(state.model)}"]`).checked = true;
    if (this.input.value !== state.prompt) this.input.value = state.prompt;
    if (this.seen) this.load();
    this.drawExamples();
    this.picture.hidden = !model;
    frame.body.classList.toggle("llm-loading", model === undefined);
    if (model) this.read();
    this.tellState();
    if (model) this.draw();
  }

  /** Read the text, unless it is the one that was read last. */
  read() {
    const { model, state, reading } = this;
    if (reading?.model === model && reading.prompt === state.prompt) return;
    this.reading = new Reading(model, state.prompt, this.spec(state.model).stories ? this.words : null);
    this.reading.prompt = state.prompt;
  }

  /** The place that is looked at; counted from the end where it is negative. */
  get position() {
    const { position } = this.state;
    const { length } = this.reading;
    return position < 0 || position >= length ? length - 1 : position;
  }

  draw() {
    const { frame, reading, state, position } = this;
    const empty = !reading.length;
    for (const part of [this.how, this.next.element, this.readout]) part.hidden = empty;
    this.drawOne.disabled = this.write.disabled = empty;
    this.greedy.disabled = empty || reading.length < 2;
    this.sampler.draw(state);
    if (empty) return this.strip.draw([], 0, () => "");
    this.strip.draw(this.stripTokens(), position, (token) => this.sayToken(token));
    this.readout.textContent = this.describe(position);
    this.next.draw(reading, position, state);
    this.drawStage();
    frame.redrawTable?.();
  }

  stripTokens() {
    const { reading } = this;
    const strange = new Set(this.strangers());
    return reading.ids.map((_, t) => ({ label: reading.spaced(t), surprise: reading.surprise[t], note: strange.has(reading.word(t)) }));
  }

  sayToken({ label, surprise }) {
    return surprise === null ? label.trim() : this.frame.t("token_surprise", { token: label.trim(), nats: number(surprise) });
  }

  /** How likely the chosen token was, before it came. */
  describe(t) {
    const { frame, reading } = this;
    const token = isolate(reading.word(t));
    if (!t) return frame.t("first_token", { token });
    const [chance, nats] = [percent(Math.exp(-reading.surprise[t])), number(reading.surprise[t])];
    return frame.t("readout", { token, chance, nats });
  }

  drawStage() {
    const { frame, reading, state, position } = this;
    const names = stageNames(reading.model.config);
    state.stage = Math.max(0, Math.min(state.stage, names.length - 1));
    state.head = Math.max(0, Math.min(state.head, reading.model.config.n_heads - 1));
    const [kind, layer] = names[state.stage].split("-");
    this.player.stand(state.stage, names.length, frame.t(`place_${kind}`, { layer }));
    const drawn = nextToken(reading.logitsAt(position), state, reading.length);
    const focused = this.scene.querySelector("[role=listbox]")?.contains(document.activeElement);
    this.scene.replaceChildren(...stage(names[state.stage], {
      frame, reading, position, head: state.head, settings: state, drawn, change: (change) => this.change(change), add: () => this.goOn(drawn.id),
    }));
    if (focused) this.scene.querySelector("[role=option][tabindex='0']")?.focus();
  }

  drawExamples() {
    const { frame, state } = this;
    if (this.shown === state.model) return;
    this.shown = state.model;
    const examples = this.spec(state.model).examples.map(([name, prompt]) => button(frame.t(`example_${name}`), () => this.type(prompt), { title: prompt }));
    this.examples.replaceChildren(h("span", {}, frame.t("examples_label")), ...examples);
  }

  /** Go on with a token after the place that is looked at. @param {number} id */
  goOn(id) {
    const { model, reading, position } = this;
    const special = model.special.has(id);
    const text = position === reading.length - 1 ? reading.text : reading.textTo(position);
    this.apply(special ? {} : { prompt: text + model.decode([id]), position: -1 });
    this.ended = special;
    this.tellState();
    this.frame.announce(this.spoken());
    this.frame.remember();
  }

  /** Draw one token and put it at the end. */
  step() {
    this.state.position = -1;
    this.goOn(nextToken(this.reading.logitsAt(this.position), this.state, this.reading.length).id);
  }

  undo() {
    this.stop();
    const { reading } = this;
    this.change({ prompt: reading.textTo(reading.length - 2) });
  }

  toggle() {
    if (this.timer) return this.stop();
    this.write.textContent = this.frame.t("pause_writing");
    this.timer = setInterval(() => {
      this.step();
      if (this.ended || this.reading.length >= this.model.config.max_seq_len) this.stop();
    }, PACE);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.write.textContent = this.frame.t("write");
  }

  /** What has changed, in a sentence. */
  spoken() {
    const { frame, reading, state, position } = this;
    if (!reading?.length) return "";
    const top = reading.expectedAt(position, state, 3).map(({ label, p }) => `${label} ${percent(p)}`).join(", ");
    return frame.t("spoken", { after: reading.word(position), top });
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, reading, state, position } = this;
    if (!reading?.length) return { caption: frame.t("loading", { name: state.model }), head: [], rows: [] };
    const rows = reading.expectedAt(position, state, 30).map(({ id, label, p, truth }) => [label, id, p, truth ?? ""]);
    const head = ["column_token", "column_id", "column_final", "column_truth"].map((key) => frame.t(key));
    return { caption: frame.t("table_caption", { text: reading.textTo(position) }), head, rows };
  }
}
