/** What does each block add, and to what does it add up? Python's half is `block_view.py`. */

import { button, choice, h, isolate } from "./parts.js";
import { NextWords } from "./next_words.js";
import { PartDetail, partOf } from "./block_part.js";
import { PartList, partName } from "./block_list.js";
import { StreamReading, likeliest, partNames, partsOff } from "./block_stream.js";
import { TokenStrip } from "./token_strip.js";
import { loadModel } from "./language_model.js";
import { norm } from "./heat_rows.js";

const AS_TRAINED = { temperature: 1, top_k: 0, top_p: 1, seed: 0 };

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new BlockView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.start());
}

class BlockView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { prompt, token, block, without, models } = frame.data;
    Object.assign(this, { frame, specs: models, models: new Map() }); // undefined on its way, null if it could not be had
    this.state = { prompt, model: models[0].name, token, block, word: "", without };
    this.build();
  }

  build() {
    const { frame } = this;
    const change = (values) => this.change(values);
    this.choice = this.modelChoice();
    this.strip = new TokenStrip(frame.t("strip_label"), (token) => change({ token, word: "" }));
    this.list = new PartList(frame, (block) => change({ block }));
    this.detail = new PartDetail(frame, change);
    this.next = new NextWords(frame, (id) => change({ word: this.word(id) }), () => this.cutBack());
    this.traced = h("p", { class: "llm-legend" });
    const part = (title, ...content) => h("section", { class: "llm-part llm-block-part" }, h("p", { class: "llm-subtitle" }, title), ...content);
    this.sumTitle = h("p", { class: "llm-subtitle" });
    this.picture = h("section", { class: "llm-part llm-block-part" }, this.sumTitle, this.list.element);
    this.parts = h("div", { class: "llm-block-view", hidden: true }, part(frame.t("strip_title"), this.strip.element, h("p", { class: "llm-legend" }, frame.t("strip_legend"))),
      this.picture, h("section", { class: "llm-part llm-block-part" }, this.detail.element), h("section", { class: "llm-part llm-block-part" }, this.next.element, this.traced));
    frame.body.append(this.textField(), this.choice, this.parts);
  }

  textField() {
    const { frame } = this;
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.typed());
    const examples = frame.data.examples.map((prompt) => button(ending(prompt), () => this.change({ prompt }), { dir: "auto", title: prompt }));
    const row = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples);
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("text_label")), this.input, row);
  }

  modelChoice() {
    const { frame } = this;
    const built = ({ norm: kind, norm_position, ffn }) => [frame.named("norm", kind), frame.named("place", norm_position), frame.named("ffn", ffn)].join(", ");
    const choices = this.specs.map(({ name, config }) => ({
      value: name, content: [h("span", { class: "llm-name" }, name), h("span", { class: "llm-legend" }, built(config))],
    }));
    return choice({ name: frame.id("model"), legend: frame.t("models_label"), choices }, (model) => this.change({ model }));
  }

  /** Every key is answered, at most once a frame. */
  typed() {
    cancelAnimationFrame(this.soon);
    this.soon = requestAnimationFrame(() => this.change({ prompt: this.input.value }));
  }

  /** The view is in sight: from now on models are loaded when they are chosen. */
  start() {
    this.seen = true;
    return this.load();
  }

  async load() {
    const { frame, models, spec } = this;
    if (models.has(spec.name)) return;
    models.set(spec.name, undefined);
    try {
      const model = await loadModel(frame, spec);
      model.config = { ...model.config, max_seq_len: Math.min(model.config.max_seq_len, frame.data.tokens) };
      models.set(spec.name, model);
    } catch (error) {
      console.error(error);
      models.set(spec.name, null);
    }
    this.update();
  }

  get spec() {
    return this.specs.find(({ name }) => name === this.state.model);
  }

  get model() {
    return this.models.get(this.state.model);
  }

  /** A token as it is shown. @param {number} id */
  word(id) {
    return this.model.word(id);
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    if (!this.reading || "without" in change) return this.frame.announce(this.detail.status.textContent);
    this.frame.announce("block" in change ? this.detail.tell.textContent : this.detail.status.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state } = this;
    const text = (name) => String(change[name] ?? state[name]);
    if ("prompt" in change && change.prompt !== state.prompt) Object.assign(state, { token: -1, word: "" });
    if ("model" in change && change.model !== state.model) state.word = "";
    if (this.specs.some(({ name }) => name === change.model)) state.model = change.model;
    Object.assign(state, { prompt: text("prompt"), word: "word" in change ? text("word") : state.word });
    if ("token" in change) state.token = Math.trunc(Number(change.token)) || 0;
    state.block = partOf(text("block"), this.spec.config) ?? state.block;
    state.without = partsOff(text("without"), this.spec.config).join(",");
    this.update();
  }

  update() {
    const { frame, state, model } = this;
    this.choice.querySelector(`input[value="${CSS.escape(state.model)}"]`).checked = true;
    const letters = Array.from(state.prompt.replace(/\p{Surrogate}/gu, "\ufffd"));
    const { limit } = frame.data;
    const long = letters.length > limit ? frame.t("long", { length: letters.length, limit }) : "";
    if (long) state.prompt = letters.slice(0, limit).join("");
    if (this.input.value !== state.prompt) this.input.value = state.prompt;
    if (this.seen) this.load();
    frame.body.classList.toggle("llm-loading", model === undefined);
    this.parts.hidden = !model;
    if (!model) return frame.tell(frame.t(model === null ? "not_loaded" : "loading", { name: state.model }));
    this.read();
    this.parts.hidden = !this.reading;
    frame.tell([long, ...this.notes].filter(Boolean).join(" "));
    if (this.reading) this.draw();
    frame.redrawTable?.();
  }

  /** Run the model on the text, unless it is the one that was read last. */
  read() {
    const { frame, model, state, spec } = this;
    if (this.whole?.model !== model || this.whole.prompt !== state.prompt) {
      this.whole = new StreamReading(model, state.prompt, spec.stories ? frame.data.words : null);
      this.whole.prompt = state.prompt;
      this.reading = null;
    }
    const { whole } = this;
    const letters = whole.unknown.map((letter) => isolate(letter)).join(", ");
    this.notes = [
      whole.cut && frame.t("cut", { cut: whole.cut, room: model.config.max_seq_len }),
      letters && frame.t("unknown", { letters }),
      !whole.length && frame.t("empty"),
    ];
    const off = partsOff(state.without, model.config);
    if (!whole.length) this.reading = null;
    else if (!off.length) this.reading = whole;
    else if (this.reading?.whole !== whole || this.reading.off !== state.without) this.reading = Object.assign(whole.leaveOut(off), { off: state.without });
  }

  /** The token that is followed; counted from the end where the number is negative. */
  get token() {
    const { length } = this.reading;
    const { token } = this.state;
    return Math.max(0, Math.min(token < 0 ? length + token : token, length - 1));
  }

  draw() {
    const { frame, reading, whole, state, token, model } = this;
    const off = partsOff(state.without, model.config);
    state.block = partOf(state.block, model.config) ?? partNames(model.config).at(-1);
    const word = (id) => this.word(id);
    const tokens = whole.ids.map((_, t) => ({ label: whole.spaced(t), surprise: null }));
    this.strip.draw(tokens, token, ({ label }) => label.trim());
    this.steps = reading.steps(token);
    this.sumTitle.textContent = frame.t("sum_title", { token: isolate(whole.word(token)) });
    const id = this.tracedId();
    const brings = (row) => reading.brings(row, id, token);
    this.list.draw({ steps: this.steps, chosen: state.block, off, word, brings, traced: isolate(word(id)) });
    const step = this.steps.find(({ part }) => part === state.block);
    this.detail.draw({ step, reading, token, off, id, word });
    this.detail.compare();
    this.next.draw(reading, token, AS_TRAINED);
    this.traced.textContent = frame.t("traced", { word: isolate(word(id)) });
  }

  /** Take away the end with which no story goes on. */
  cutBack() {
    const { whole } = this;
    let last = this.token;
    while (last > 0 && !whole.storyAt(last).next) last -= 1;
    this.change({ prompt: whole.textTo(last) });
    this.next.focus();
  }

  /** The word whose logit is taken apart: the chosen one, or what the whole model puts first. */
  tracedId() {
    const { whole, token, state } = this;
    const chances = whole.chancesAt(token);
    const named = state.word ? Array.from(chances.keys()).find((id) => this.word(id) === state.word) : undefined;
    return named ?? likeliest(chances);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, reading } = this;
    if (!reading) return { caption: frame.t("loading", { name: this.state.model }), head: [], rows: [] };
    const { token } = this;
    const id = this.tracedId();
    const head = ["part", "added", "stream", "cosine", "brings", "says", "chance"].map((key) => frame.t(`column_${key}`, { word: isolate(this.word(id)) }));
    const rows = this.steps.map(({ part, added, after, cosine, says }) => [
      partName(frame, part), rounded(norm(added)), rounded(norm(after)), cosine === null ? "" : rounded(cosine), rounded(reading.brings(added, id, token)), this.word(says.id), rounded(says.p, 4),
    ]);
    return { caption: frame.t("table_caption", { token: isolate(reading.word(token)), text: reading.textTo(token) }), head, rows };
  }
}

function rounded(value, places = 2) {
  return value === null ? "" : Number(value.toFixed(places));
}

/** The last words of an example, for its button. */
function ending(text) {
  const words = text.split(/\s+/);
  return words.length > 9 ? `… ${words.slice(-5).join(" ")}` : text;
}
