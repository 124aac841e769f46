/** What do a storyteller and the same one with an adapter say? Python's half is `finetune_view.py`. */

import { button, choice, h, isolate } from "./parts.js";
import { LanguageModel, loadModel, unpackWeights } from "./language_model.js";
import { Prediction } from "./predict.js";
import { Transformer } from "./engine.js";
import { gunzip } from "./packed.js";
import { percent } from "./token_strip.js";

const LIKELIEST = 5;
const PLAIN = "tell"; // no question: the story goes on
const COLUMNS_OF_TUNING = ["before", "after"];

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new FineTuneView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load());
}

class FineTuneView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { story, ask } = frame.data;
    Object.assign(this, { frame, state: { story, ask, shown: 0 }, models: null, found: null });
    this.build();
  }

  build() {
    const { frame } = this;
    this.asks = choice({ name: frame.id("ask"), legend: frame.t("ask_label"), choices: this.askChoices() }, (ask) => this.change({ ask, shown: 0 }));
    this.quiz = new Prediction(frame, "quiz");
    this.reading = h("p", { class: "llm-legend llm-tune-reading", dir: "auto" });
    this.lists = COLUMNS_OF_TUNING.map(() => h("ol", { class: "llm-tune-list" }));
    const sides = COLUMNS_OF_TUNING.map((side, i) => h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.named("column", side)), this.lists[i]));
    this.picture = h("div", { class: "llm-tune-sides", hidden: true }, sides);
    this.parts = h("div", { class: "llm-part llm-tune", hidden: true }, this.reading, this.quiz.element, this.picture);
    frame.body.append(this.storyField(), this.asks, this.parts);
  }

  storyField() {
    const { frame } = this;
    const id = frame.id("story");
    this.input = h("textarea", { id, rows: 4, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.change({ story: this.input.value, shown: 0 }));
    const label = (story) => /called (\w+)/.exec(story)[1];
    const examples = frame.data.examples.map((story) => button(label(story), () => this.change({ story, shown: 0 }), { title: story }));
    const row = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples);
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("story_label")), this.input, row);
  }

  askChoices() {
    const { frame } = this;
    return [...Object.keys(frame.data.asks), PLAIN].map((value) => ({ value, content: [h("span", { class: "llm-name" }, frame.named("ask", value))] }));
  }

  async load() {
    const { frame } = this;
    try {
      const base = await loadModel(frame, frame.data.model);
      this.models = [base, await tuned(frame, base)];
    } catch (error) {
      console.error(error);
      this.failed = true;
    }
    this.update();
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    if (this.found) this.frame.announce(this.reading.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state, frame } = this;
    const letters = Array.from(String(change.story ?? state.story).replace(/\p{Surrogate}/gu, "\ufffd"));
    state.story = letters.slice(0, frame.data.limit).join("");
    if (change.ask === PLAIN || Object.hasOwn(frame.data.asks, change.ask ?? "")) state.ask = change.ask;
    state.shown = Number(Number(change.shown ?? state.shown) === 1);
    this.update();
  }

  update() {
    const { frame, state, models } = this;
    if (this.input.value !== state.story) this.input.value = state.story;
    this.asks.querySelector(`input[value="${state.ask}"]`).checked = true;
    frame.body.classList.toggle("llm-loading", !models && !this.failed);
    this.found = models && state.story.trim() ? models.map((model) => likeliestAfter(model, this.ids(model))) : null;
    this.parts.hidden = !this.found;
    frame.tell(this.notice());
    if (this.found) this.draw();
    frame.redrawTable?.();
  }

  notice() {
    const { frame } = this;
    if (!this.models) return frame.t(this.failed ? "not_loaded" : "loading");
    return this.found ? "" : frame.t("empty");
  }

  /** The thing that was found, for the question. */
  get asked() {
    const [, colour, thing] = /found a (\w+) (\w+)/.exec(this.state.story) ?? ["", "red", "kite"];
    return this.frame.data.asks[this.state.ask]?.replace("{colour}", colour).replace("{thing}", thing) ?? "";
  }

  /** What the model reads, its end if it is too long. @param {LanguageModel} model */
  ids(model) {
    const special = new Map(model.spec.tokenizer.specials);
    const plain = (text) => model.encode(text).ids.slice(1);
    const after = this.asked ? [special.get("<|question|>"), ...plain(` ${this.asked}`), special.get("<|answer|>")] : [];
    const room = model.config.max_seq_len - after.length - 1;
    return [model.begin, ...plain(this.state.story).slice(-room), ...after];
  }

  draw() {
    const { frame, state, found } = this;
    this.reading.textContent = this.asked ? frame.t("reading", { question: isolate(this.asked) }) : frame.t("reading_plain");
    this.picture.hidden = !state.shown;
    this.lists.forEach((list, i) => list.replaceChildren(...found[i].map((row) => this.row(row, found[i][0].p))));
    if (state.shown) return this.quiz.put([this.verdict()], [button(frame.t("again"), () => this.change({ shown: 0 }))]);
    const [[{ word: old }], after] = found;
    const words = [...new Set([old, ...after.slice(0, 3).map(({ word }) => word)])].sort();
    this.quiz.ask(frame.t("predict"), words, (i) => this.reveal(words[i]));
  }

  /** @param {string} guess */
  reveal(guess) {
    this.guess = guess;
    this.change({ shown: 1 });
    this.guess = null;
    this.lists[1].closest("section").scrollIntoView({ block: "nearest" });
  }

  verdict() {
    const { frame, found: [[before], [after]] } = this;
    const told = { word: isolate(after.word), p: percent(after.p), old: isolate(before.word), q: percent(before.p) };
    const said = this.guess ? `${frame.t("guessed", { guess: isolate(this.guess) })} ` : "";
    const text = said + frame.t("verdict", told);
    frame.announce(text);
    return text;
  }

  row({ word, p }, widest) {
    const width = `inline-size: ${((100 * p) / widest).toFixed(1)}%`;
    const bar = h("span", { class: "llm-tune-bar", "aria-hidden": "true" }, h("span", { style: width }));
    return h("li", {}, h("span", { class: "llm-tune-word", dir: "auto" }, word), bar, h("span", { class: "llm-number" }, percent(p)));
  }

  table() {
    const { frame, found, state } = this;
    if (!found) return { caption: this.notice(), head: [], rows: [] };
    const head = ["before", "chance", "after", "chance"].map((name) => frame.named("column", name));
    const cells = ({ word, p }) => (state.shown ? [word, p] : [frame.t("hidden"), frame.t("hidden")]);
    const rows = found[0].map((row, i) => [...cells(row), ...cells(found[1][i])]);
    return { caption: frame.t("table_caption", { question: this.asked || "…" }), head, rows };
  }
}

/** The base with its adapter merged: W + scale · B A. @param {import("./frame.js").Frame} frame */
async function tuned(frame, base) {
  const { file, tensors, scale } = frame.data.adapter;
  const bytes = new Uint8Array(await (await gunzip(await frame.load(file))).arrayBuffer());
  const thin = unpackWeights(tensors, bytes);
  const weights = { ...base.transformer.weights };
  for (const name of Object.keys(thin).filter((key) => key.endsWith(".A"))) {
    const layer = name.slice(0, -2);
    weights[`${layer}.weight`] = mergedWeight(weights[`${layer}.weight`], thin[name], thin[`${layer}.B`], scale);
  }
  return new LanguageModel(base.spec, new Transformer(base.config, weights), base.tokenizer);
}

/** W (out, in) with scale · B (out, rank) A (rank, in) added. */
function mergedWeight(weight, A, B, scale) {
  const [nOut, nIn] = weight.shape;
  const rank = A.shape[0];
  const values = Float32Array.from(weight.values);
  for (let o = 0; o < nOut; o++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * B.values[o * rank + r];
      for (let i = 0; i < nIn; i++) values[o * nIn + i] += factor * A.values[r * nIn + i];
    }
  }
  return { values, shape: weight.shape };
}

/** The likeliest words after some tokens. @param {LanguageModel} model @param {number[]} ids */
function likeliestAfter(model, ids) {
  const logits = model.transformer.forward(ids).slice(-model.config.vocab_size);
  const top = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, z) => sum + Math.exp(z - top), 0);
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, LIKELIEST);
  return order.map((id) => ({ word: model.word(id), p: Math.exp(logits[id] - top) / total }));
}
