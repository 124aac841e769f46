/** What is read at each step of writing, and how much work is it? Python's half is `cache_view.py`. */

import { Player } from "./player.js";
import { Prediction } from "./predict.js";
import { button, choice, debounce, h, isolate } from "./parts.js";
import { loadModel } from "./language_model.js";

const CACHE_END = "<|end|>";
const CACHE_GUESSES = [2, 20, 400]; // times as much work without a cache

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new CacheView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.start());
}

class CacheView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { prompt, step, models } = frame.data;
    Object.assign(this, { frame, specs: models, models: new Map() });
    this.state = { prompt, model: models[0].name, step };
    this.build();
  }

  build() {
    const { frame, specs } = this;
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    const typed = debounce(() => this.change({ prompt: this.input.value, step: 0 }), 250);
    this.input.addEventListener("input", () => typed());
    const examples = frame.data.examples.map((prompt) => button(prompt, () => this.change({ prompt, step: 0 }), { dir: "auto" }));
    const field = h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("text_label")), this.input, h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples));
    const card = ({ name, config }) => [h("span", { class: "llm-name" }, name), h("span", { class: "llm-legend" }, frame.t("heads", { heads: config.n_kv_heads, size: config.head_dim, layers: config.n_layers, bytes: cacheBytes(config, 1) }))];
    this.choice = choice({ name: frame.id("model"), legend: frame.t("models_label"), choices: specs.map((spec) => ({ value: spec.name, content: card(spec) })) }, (model) => this.change({ model }));
    this.player = new Player(frame, (step) => this.change({ step }), 500);
    this.cells = h("p", { class: "llm-cache-cells", dir: "auto" });
    this.told = h("p", { class: "llm-message" });
    this.bars = h("div", { class: "llm-cache-bars" });
    this.quiz = new Prediction(frame, "quiz");
    this.picture = h("div", { class: "llm-cache-view", hidden: true }, this.player.element, this.cells, h("p", { class: "llm-legend" }, frame.t("legend")), this.told, this.quiz.element, this.bars);
    frame.body.append(field, this.choice, this.picture);
  }

  /** The view is in sight: from now on models are loaded when they are chosen. */
  start() {
    this.seen = true;
    return this.load();
  }

  async load() {
    const { frame, models, state } = this;
    const spec = this.specs.find(({ name }) => name === state.model);
    if (models.has(spec.name)) return;
    models.set(spec.name, undefined);
    try {
      models.set(spec.name, await loadModel(frame, spec));
    } catch (error) {
      console.error(error);
      models.set(spec.name, null);
    }
    this.update();
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    this.frame.announce(this.told.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state, frame } = this;
    if (this.specs.some(({ name }) => name === change.model)) state.model = change.model;
    if ("prompt" in change) state.prompt = Array.from(String(change.prompt).replace(/\p{Surrogate}/gu, "\ufffd")).slice(0, frame.data.limit).join("");
    if ("step" in change) state.step = Math.max(0, Math.min(Math.trunc(Number(change.step)) || 0, frame.data.steps));
    this.update();
  }

  update() {
    const { frame, state } = this;
    const model = this.models.get(state.model);
    this.choice.querySelector(`input[value="${CSS.escape(state.model)}"]`).checked = true;
    if (this.input.value !== state.prompt) this.input.value = state.prompt;
    if (this.seen) this.load();
    frame.body.classList.toggle("llm-loading", model === undefined);
    this.picture.hidden = !model;
    if (!model) return frame.tell(frame.t(model === null ? "not_loaded" : "loading", { name: state.model }));
    if (this.run?.model !== model || this.run.prompt !== state.prompt) this.run = writeGreedily(model, state.prompt, frame.data.steps);
    const { ids, unknown, rows } = this.run;
    this.picture.hidden = !rows.length;
    const letters = unknown.map((letter) => isolate(letter)).join(", ");
    frame.tell([letters && frame.t("unknown", { letters }), !ids.length && frame.t("empty")].filter(Boolean).join(" "));
    if (rows.length) this.draw();
    frame.redrawTable?.();
  }

  draw() {
    const { frame, run: { model, ids, rows, start } } = this;
    const at = Math.min(this.state.step, rows.length - 1);
    const { read, all, work, workAll, bytes } = rows[at];
    this.player.stand(at, rows.length, frame.t("step", { step: at }));
    const first = start + at - read; // the first token that goes through in this step
    const shown = ids.slice(Math.max(0, start + at - all), start + at);
    const from = start + at - shown.length;
    this.cells.replaceChildren(...shown.map((id, i) => h("span", { class: from + i >= first ? "llm-cache-read" : "llm-cache-kept" }, model.label(id))), h("span", { class: "llm-cache-next" }, `→ ${isolate(model.label(ids[start + at]))}`));
    if (at === 0) this.told.textContent = frame.t("told_prefill", { read, bytes });
    else if (read === 1) this.told.textContent = frame.t("told_decode", { read, kept: all - read, bytes });
    else this.told.textContent = frame.t("told_past", { read, bytes });
    const bar = (words, value) => h("p", {}, h("span", {}, words), h("span", { class: "llm-cache-bar", style: `inline-size: ${Math.max(0.5, (100 * value) / workAll)}%` }));
    const show = () => this.bars.replaceChildren(bar(frame.t("bar_work", { n: work }), work), bar(frame.t("bar_all", { n: workAll }), workAll));
    this.quiz.element.hidden = at < 2;
    if (at < 2 || this.answered) return show();
    this.bars.replaceChildren();
    this.ask(show, workAll / work);
  }

  /** The guess comes before the bars. @param {() => void} show @param {number} times */
  ask(show, times) {
    const { frame } = this;
    const right = CACHE_GUESSES.reduce((best, guess, i) => (Math.abs(Math.log(times / guess)) < Math.abs(Math.log(times / CACHE_GUESSES[best])) ? i : best), 0);
    this.quiz.ask(frame.t("quiz"), CACHE_GUESSES.map((n) => frame.t("times", { n })), (guess) => {
      this.answered = true;
      this.quiz.close(right);
      show();
      this.quiz.say(frame.t(guess === right ? "right" : "wrong", { times: Math.round(times) }));
    });
  }

  /** All steps as a table. */
  table() {
    const { frame, run } = this;
    if (!run) return { caption: frame.t("loading", { name: this.state.model }), head: [], rows: [] };
    const head = ["step", "token", "read", "all", "work", "work_all", "bytes"].map((name) => frame.t(`column_${name}`));
    const rows = run.rows.map(({ read, all, work, workAll, bytes }, i) => [i, run.model.label(run.ids[run.start + i]), read, all, work, workAll, bytes]);
    return { caption: frame.t("table_caption"), head, rows };
  }
}

/** A prompt, what a model writes greedily behind it, and what each step costs. */
function writeGreedily(model, prompt, steps) {
  const { ids: begun, unknown } = model.encode(prompt);
  const { max_seq_len: limit } = model.config;
  const [ids, rows] = [[...begun], []];
  for (let step = 0; begun.length && step < steps; step++) {
    const window = ids.slice(-limit);
    const read = step && ids.length <= limit ? 1 : window.length;
    const logits = model.next(window);
    rows.push({ read, all: window.length, work: multiplyAdds(model.config, read, window.length - read), workAll: multiplyAdds(model.config, window.length, 0), bytes: cacheBytes(model.config, window.length) });
    ids.push(logits.reduce((best, logit, i) => (logit > logits[best] ? i : best), 0));
    if (model.special.get(ids.at(-1)) === CACHE_END) break;
  }
  return { model, prompt, ids, unknown, rows, start: begun.length };
}

/** As `llm.multiply_adds`, all three parts together. */
function multiplyAdds({ d_model: C, n_heads: H, n_kv_heads: G, head_dim: D, n_layers, d_ff, ffn, vocab_size: V }, fresh, past) {
  const weights = 2 * C * (H * D + G * D) + (ffn === "swiglu" ? 3 : 2) * C * d_ff;
  const pairs = fresh * past + (fresh * (fresh + 1)) / 2;
  return n_layers * (weights * fresh + 2 * H * D * pairs) + C * V * fresh;
}

/** Bytes of the keys and values of some tokens, 4 a number. */
function cacheBytes({ n_layers, n_kv_heads, head_dim }, tokens) {
  return 2 * n_layers * n_kv_heads * head_dim * tokens * 4;
}
