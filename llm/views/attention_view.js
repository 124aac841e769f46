/** What does each head look at, and what changes without it? Python's half is `attention_view.py`. */

import { button, h, isolate } from "./parts.js";
import { HeadCosts } from "./attention_costs.js";
import { CostTable, HeadEffect } from "./attention_effect.js";
import { HeadGrid } from "./attention_grid.js";
import { headsOff, offText } from "./attention_off.js";
import { QueryNumbers } from "./attention_query.js";
import { headName, HeadReading } from "./attention_reading.js";
import { AttentionStages, STAGES } from "./attention_stages.js";
import { LookStrip } from "./attention_strip.js";
import { loadModel } from "./language_model.js";

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new AttentionView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load());
}

class AttentionView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { text, layer, head } = frame.data;
    this.frame = frame;
    this.state = { text, layer, head, query: -1, key: -1, feature: 0, stage: "weights", off: "" };
    const change = (values) => this.change(values);
    this.grid = new HeadGrid(frame, change);
    this.strip = new LookStrip(frame, (query) => change({ query }));
    this.stages = new AttentionStages(frame, change);
    this.numbers = new QueryNumbers(frame, change);
    this.effect = new HeadEffect(frame, change);
    this.costTable = new CostTable(frame);
    this.costs = new HeadCosts((costs) => {
      this.grid.showCosts(costs);
      this.costTable.draw(this.reading, costs);
    });
    this.build();
  }

  build() {
    const { frame } = this;
    const part = (title, ...content) => h("section", { class: "llm-part llm-attention-part" }, h("p", { class: "llm-subtitle" }, title), ...content);
    this.title = h("p", { class: "llm-subtitle" });
    const strip = h("section", { class: "llm-part llm-attention-part" }, this.title, this.strip.element);
    this.picture = h("div", { class: "llm-attention-picture" }, part(frame.t("stages_title"), this.stages.element), this.numbers.element);
    this.parts = h("div", { class: "llm-attention-view", hidden: true }, part(frame.t("heads_title"), this.grid.element), strip,
      part(frame.t("effect_title"), this.effect.element), this.picture, this.costTable.element);
    frame.body.append(this.textField(), this.parts);
  }

  textField() {
    const { frame } = this;
    const id = frame.id("text");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.typed());
    const examples = frame.data.examples.map((text) => button(ending(text), () => this.change({ text }), { dir: "auto", title: text }));
    const row = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples);
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("text_label")), this.input, row);
  }

  /** Every key is answered, at most once a frame. */
  typed() {
    cancelAnimationFrame(this.soon);
    this.soon = requestAnimationFrame(() => this.change({ text: this.input.value }));
  }

  async load() {
    try {
      const model = await loadModel(this.frame, this.frame.data.model);
      const most = Math.min(model.config.max_seq_len, this.frame.data.tokens);
      model.config = { ...model.config, max_seq_len: most }; // of what is read, not of what the model knows
      this.model = model;
    } catch (error) {
      console.error(error);
      this.problem = this.frame.t("not_loaded", { name: this.frame.data.model.name });
    }
    this.update();
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    if (this.reading) this.frame.announce(this.spoken(change));
  }

  spoken(change) {
    if ("off" in change) return this.effect.status.textContent;
    return "stage" in change || "feature" in change || ("key" in change && "query" in change) ? this.stages.readout.textContent : this.strip.readout.textContent;
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state } = this;
    const whole = (name) => Math.trunc(Number(change[name])) || 0;
    const other = "text" in change && change.text !== state.text;
    Object.assign(state, { text: String(change.text ?? state.text), off: String(change.off ?? state.off) });
    if (other) Object.assign(state, { query: -1, key: -1 });
    if (["layer", "head", "query"].some((name) => name in change)) state.key = -1;
    for (const name of ["layer", "head", "query", "key", "feature"]) if (name in change) state[name] = whole(name);
    if (STAGES.includes(change.stage)) state.stage = change.stage;
    this.update();
  }

  update() {
    const { frame, state, model } = this;
    const letters = Array.from(state.text.replace(/\p{Surrogate}/gu, "\ufffd"));
    const { limit } = frame.data;
    const long = letters.length > limit ? frame.t("long", { length: letters.length, limit }) : "";
    if (long) state.text = letters.slice(0, limit).join("");
    if (this.input.value !== state.text) this.input.value = state.text;
    frame.body.classList.toggle("llm-loading", !model && !this.problem);
    if (!model) return frame.tell(this.problem ?? frame.t("loading"));
    if (this.read !== state.text) this.readText();
    frame.tell([long, ...this.notes].filter(Boolean).join(" "));
    this.parts.hidden = !this.reading;
    if (this.reading) this.draw();
    frame.redrawTable?.();
  }

  /** Run the model on the text. */
  readText() {
    const { model, state, frame } = this;
    const reading = new HeadReading(model, (this.read = state.text), frame.data.words);
    this.reading = reading.length ? reading : null;
    const cut = reading.cut ? frame.t("cut", { cut: reading.cut, room: model.config.max_seq_len }) : "";
    const letters = reading.unknown.length ? frame.t("unknown", { letters: few(reading.unknown) }) : "";
    this.notes = [cut, letters, this.pieces(), reading.length ? "" : frame.t("empty")];
    if (this.reading) this.costs.start(reading);
  }

  /** Words that a model of whole words does not have. */
  pieces() {
    if (!this.frame.data.words) return "";
    const count = new Map();
    const decoder = new TextDecoder();
    for (const { word, bytes } of this.model.tokenizer.encode(this.read)) count.set(word, [...(count.get(word) ?? []), ...bytes, -1]);
    const cut = [...count.values()].filter((bytes) => bytes.filter((byte) => byte < 0).length > 1);
    const words = cut.map((bytes) => decoder.decode(Uint8Array.from(bytes.filter((byte) => byte >= 0))).trim()).filter(Boolean);
    return words.length ? this.frame.t("pieces", { words: few([...new Set(words)]) }) : "";
  }

  draw() {
    const { state, reading, frame } = this;
    this.settle();
    const off = headsOff(state.off, reading.model.config);
    state.off = offText(off, reading.model.config);
    this.grid.draw(reading, state, off);
    this.title.textContent = frame.t("strip_title", { head: headName(state) });
    this.strip.draw(reading, state);
    this.effect.draw(reading, state, off);
    this.stages.draw(reading, state);
    this.numbers.draw(reading, state);
    this.costTable.draw(reading, this.costs.costs);
  }

  /** Make the state fit what there is. */
  settle() {
    const { state, reading } = this;
    const { n_layers, n_heads, head_dim } = reading.model.config;
    const within = (value, count) => Math.max(0, Math.min(value, count - 1));
    Object.assign(state, { layer: within(state.layer, n_layers), head: within(state.head, n_heads), feature: within(state.feature, head_dim) });
    state.query = state.query < 0 ? reading.length - 1 : within(state.query, reading.length);
    state.key = state.key < 0 ? reading.strongest(state, state.query) : within(state.key, reading.length);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    return this.reading ? this.numbers.table() : { caption: this.frame.t("loading"), head: [], rows: [] };
  }
}

/** The last words of an example, for its button. */
function ending(text) {
  const words = text.split(/\s+/);
  return words.length > 12 ? `… ${words.slice(-6).join(" ")}` : text;
}

/** The first of some texts, for a sentence. */
function few(texts) {
  return texts.slice(0, 5).map((text) => isolate(text)).join(", ") + (texts.length > 5 ? " …" : "");
}
