/** Which word comes, and how often? Python's half is `output_view.py`. */

import { button, h, isolate, number } from "./parts.js";
import { DrawChain, openness } from "./draw_chain.js";
import { DrawRows } from "./draw_rows.js";
import { Prediction } from "./predict.js";
import { Reading } from "./reading.js";
import { Sampler } from "./sampler.js";
import { loadModel } from "./language_model.js";
import { percent } from "./token_strip.js";

const DRAWS = 1000;
const ROWS = 12;
const TABLE_ROWS = 40;
const FRAMES = 40; // in which the draws fall, one after the other
const CLOSE = 50; // draws between a good guess and the answer
const SETTINGS = ["temperature", "top_k", "top_p", "min_p"];

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new OutputView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load());
}

class OutputView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.words = frame.data.words && JSON.parse(frame.data.words);
    this.state = { prompt: frame.data.prompt, ...frame.data.settings, word: "", seed: 0, shown: frame.data.shown };
    this.fallen = DRAWS; // of the draws, how many are shown
    this.build();
  }

  build() {
    const { frame } = this;
    this.sampler = new Sampler(frame, (change) => this.change(change), SETTINGS);
    this.quiz = new Prediction(frame, "quiz");
    this.guess = this.guessField();
    this.rows = new DrawRows(frame, (id) => this.change({ word: this.reading.model.word(id) }));
    this.title = h("p", { class: "llm-subtitle" });
    this.keys = h("p", { class: "llm-legend llm-draw-key" });
    this.rest = h("p", { class: "llm-legend" });
    this.follow = h("p", { class: "llm-subtitle" });
    this.chain = h("dl", { class: "llm-chain" });
    this.note = h("p", { class: "llm-legend" });
    this.open = h("div", { class: "llm-openness" });
    const words = h("section", { class: "llm-part" }, this.title, this.keys, this.rows.element, this.rest);
    const way = h("section", { class: "llm-part llm-ruled" }, this.follow, this.chain, this.note);
    this.picture = h("div", { class: "llm-output", hidden: true }, words, way, h("section", { class: "llm-part llm-ruled" }, this.open));
    this.controls = h("div", { class: "llm-part llm-draw-controls", hidden: true }, this.sampler.element, this.quiz.element);
    frame.body.append(this.promptField(), this.controls, this.picture);
  }

  promptField() {
    const { frame } = this;
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.change({ prompt: this.input.value }));
    const examples = frame.data.examples.map(([name, prompt]) => button(frame.named("example", name), () => this.change({ prompt }), { title: prompt }));
    const row = h("div", { class: "llm-examples", hidden: !examples.length }, h("span", {}, frame.t("examples_label")), examples);
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("prompt_label")), this.input, row);
  }

  /** How the reader says how often a word will be drawn. */
  guessField() {
    const { frame } = this;
    const id = frame.id("guess");
    const input = h("input", { id, type: "range", min: 0, max: DRAWS, step: 10, value: DRAWS / 2 });
    const output = h("output", { for: id, class: "llm-count" });
    const say = () => {
      output.textContent = number(Number(input.value));
      input.setAttribute("aria-valuetext", frame.t("guessed", { n: Number(input.value), draws: DRAWS }));
    };
    input.addEventListener("input", say);
    say();
    const go = button(frame.t("draw", { draws: DRAWS }), () => this.reveal(), { class: "llm-button llm-main" });
    const slider = h("div", { class: "llm-slider llm-guess" }, h("label", { for: id }, frame.t("guess_label")), output, input);
    return { input, go, elements: [slider, go] };
  }

  async load() {
    const { frame } = this;
    try {
      this.model = await loadModel(frame, frame.data.model);
    } catch (error) {
      console.error(error);
      this.failed = true;
    }
    this.update();
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    if (this.reading?.length) this.frame.announce(this.spoken());
    this.frame.remember();
  }

  /** State from the reader, the page or the address, made valid. */
  apply(change) {
    const { state, frame } = this;
    const letters = Array.from(String(change.prompt ?? state.prompt).replace(/\p{Surrogate}/gu, "\ufffd"));
    this.tooLong = letters.length > frame.data.limit;
    if ("prompt" in change) state.word = "";
    if ("prompt" in change && !("shown" in change)) state.shown = 0;
    Object.assign(state, Sampler.valid({ ...state, ...change }));
    const least = Number(change.min_p ?? state.min_p);
    state.min_p = Number.isFinite(least) ? Math.min(1, Math.max(0, least)) : 0;
    state.prompt = letters.slice(0, frame.data.limit).join("");
    state.word = String(change.word ?? state.word).slice(0, 50);
    state.shown = Number(Number(change.shown ?? state.shown) === 1);
    this.stopFalling();
    this.update();
  }

  update() {
    const { frame, model, state } = this;
    if (this.input.value !== state.prompt) this.input.value = state.prompt;
    this.sampler.draw(state);
    frame.body.classList.toggle("llm-loading", !model && !this.failed);
    if (model && this.reading?.prompt !== state.prompt) {
      this.reading = new Reading(model, state.prompt, this.words);
      this.reading.prompt = state.prompt;
    }
    frame.tell(this.notice());
    this.picture.hidden = this.controls.hidden = !this.reading?.length;
    if (this.reading?.length) this.draw();
    frame.redrawTable?.();
  }

  /** What stands in the way, if anything. */
  notice() {
    const { frame, model, reading } = this;
    if (!model) return frame.t(this.failed ? "not_loaded" : "loading", { name: frame.data.model.name });
    const letters = reading.unknown.map((letter) => isolate(letter)).join(" ");
    const notes = [
      this.tooLong && frame.t("cut_text", { limit: frame.data.limit }),
      reading.cut && frame.t("cut", { n: reading.cut, limit: model.config.max_seq_len }),
      letters && frame.t("left_out", { letters }),
      !reading.length && frame.t("empty"),
      reading.length && this.strange(),
    ];
    return notes.filter(Boolean).join(" ");
  }

  /** Why there is no truth to compare with, for a model that tells stories. */
  strange() {
    const { frame, reading } = this;
    if (!this.words || reading.cut) return "";
    const story = reading.storyAt(reading.length - 1);
    if (story?.stranger) return frame.t("truth_none", { word: isolate(story.stranger) });
    return story?.next?.size ? "" : frame.t("truth_end");
  }

  draw() {
    const { frame, reading, state } = this;
    const last = reading.length - 1;
    this.chances = new DrawChain(reading.logitsAt(last), state);
    this.truth = reading.truthAt(last);
    this.listed = reading.expectedAt(last, { temperature: 1 }, TABLE_ROWS);
    this.fallenIds = state.shown ? this.chances.draws(DRAWS, state.seed) : [];
    this.chosen = this.listed.find(({ label }) => label === state.word) ?? this.listed[0];
    this.title.textContent = frame.t("after", { word: isolate(reading.word(last)) });
    this.rows.draw(this.listed.slice(0, ROWS).map((row) => this.row(row)), this.chosen.id);
    this.drawKeys();
    this.drawQuiz();
    this.drawOpenness();
    this.tally();
  }

  row({ id, label, p: base, truth }) {
    const { chances, state, frame } = this;
    const filter = state.shown ? chances.cut(id) : null;
    return { id, label, base, truth: this.truth?.size ? truth : null, p: state.shown ? chances.final[id] : null, cut: filter && frame.named("slider", filter) };
  }

  drawKeys() {
    const { frame, state, truth } = this;
    const key = (kind, text) => h("span", {}, h("span", { class: `llm-swatch llm-${kind}` }), text);
    const drawn = state.shown ? [key("before", frame.t("key_before")), key("dots", frame.t("key_dots"))] : [];
    const known = truth?.size ? [key("hollow", frame.t("key_truth"))] : [];
    this.keys.replaceChildren(key("filled", frame.t(state.shown ? "key_final" : "key_model")), ...known, ...drawn);
  }

  /** What the settings are, where they are not as usual. */
  settingsText() {
    const { frame, state } = this;
    const usual = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 };
    const changed = SETTINGS.filter((name) => state[name] !== usual[name]);
    return changed.length ? changed.map((name) => `${frame.named("slider", name)} ${this.sampler.said(name, state[name])}`).join(", ") : frame.t("as_trained");
  }

  drawQuiz() {
    const { frame, quiz, state, listed } = this;
    const word = isolate(listed[0].label);
    if (!state.shown) {
      this.verdict = null;
      return quiz.put([frame.t("quiz", { settings: this.settingsText(), draws: DRAWS, word })], this.guess.elements);
    }
    const again = button(frame.t("hide"), () => this.hide());
    quiz.put([frame.t("drawn", { settings: this.settingsText(), draws: DRAWS })], [again]);
    quiz.show(this.answer(listed[0]));
  }

  /** How often the word came that was asked for, and how good the guess was, if there was one. */
  answer({ id, label }) {
    const { frame, chances, fallenIds, verdict } = this;
    const count = fallenIds.filter((drawn) => drawn === id).length;
    const words = { word: isolate(label), count, draws: DRAWS, p: percent(chances.final[id]) };
    if (verdict?.key !== this.key()) return frame.t("answer", words);
    const near = Math.abs(verdict.guess - count) <= CLOSE;
    return frame.t(near ? "answer_near" : "answer_far", { ...words, guess: verdict.guess });
  }

  /** What a guess was about. */
  key() {
    return JSON.stringify([this.state.prompt, ...SETTINGS.map((name) => this.state[name])]);
  }

  /** The guess is made: draw, one after the other. */
  reveal() {
    this.verdict = { guess: Number(this.guess.input.value), key: this.key() };
    this.apply({ shown: 1 });
    this.quiz.say(this.answer(this.listed[0]));
    this.quiz.answers.firstChild.focus();
    this.frame.remember();
    this.fall();
  }

  /** Hide the answer, for another guess. */
  hide() {
    this.change({ shown: 0 });
    this.guess.input.focus();
  }

  /** Let the draws appear one after the other, unless the reader wants no motion. */
  fall() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.fallen = 0;
    const step = () => {
      this.fallen = Math.min(DRAWS, this.fallen + DRAWS / FRAMES);
      this.tally();
      if (this.fallen < DRAWS) this.falling = requestAnimationFrame(step);
    };
    step();
  }

  stopFalling() {
    cancelAnimationFrame(this.falling);
    this.fallen = DRAWS;
  }

  /** How often each word was drawn, in the rows, below them and in the chain. */
  tally() {
    const counts = new Map();
    for (const id of this.fallenIds.slice(0, this.fallen)) counts.set(id, (counts.get(id) ?? 0) + 1);
    this.counts = counts;
    const count = (id) => counts.get(id) ?? 0;
    const draws = this.state.shown ? this.fallen : 0;
    this.rows.tally(count, draws);
    this.drawRest(count, draws);
    this.drawChain(count);
  }

  /** What the rows leave out. */
  drawRest(count, draws) {
    const { frame, chances, state, listed, truth, reading } = this;
    const ids = listed.slice(0, ROWS).map(({ id }) => id);
    const from = state.shown ? chances.final : chances.model;
    const left = (share) => percent(Math.max(0, 1 - ids.reduce((sum, id) => sum + share(id), 0)));
    const words = { n: reading.model.config.vocab_size - ids.length, share: left((id) => from[id]) };
    const parts = [frame.t("rest", words)];
    if (truth?.size) parts.push(frame.t("rest_truth", { share: left((id) => truth.get(id) ?? 0) }));
    if (draws) parts.push(frame.t("rest_drawn", { n: draws - ids.reduce((sum, id) => sum + count(id), 0) }));
    this.rest.textContent = parts.join(" ");
  }

  /** The way of one word from its logit to the draws. */
  drawChain(count) {
    const { frame, chances, chosen, state } = this;
    const { id, label } = chosen;
    const { temperature } = state;
    const hidden = frame.t("hidden");
    const cut = chances.cut(id);
    const after = cut ? frame.t("cut_by", { filter: frame.named("slider", cut) }) : percent(chances.final[id]);
    const steps = [
      [frame.t("step_logit"), chances.logits[id].toFixed(2)],
      [frame.t("step_scaled", { temperature: temperature.toFixed(1) }), temperature ? (chances.logits[id] / temperature).toFixed(2) : frame.t("greedy_short")],
      [frame.t("step_softmax"), state.shown ? percent(chances.heated[id]) : hidden],
      [frame.t("step_filters"), state.shown ? after : hidden],
      [frame.t("step_draws", { draws: DRAWS }), state.shown ? number(count(id)) : hidden],
    ];
    this.follow.textContent = frame.t("follow", { word: isolate(label) });
    this.chain.replaceChildren(...steps.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    this.note.textContent = frame.t("chain_note");
  }

  drawOpenness() {
    const { frame, chances, state, truth } = this;
    const rows = [
      ...(truth?.size ? [[frame.t("open_truth"), openness([...truth.values()])]] : []),
      [frame.t("open_model"), openness(chances.model)],
      ...(state.shown ? [[frame.t("open_heated"), openness(chances.heated)], [frame.t("open_final"), openness(chances.final)]] : []),
    ];
    const head = ["whose", "possible", "entropy", "choices"].map((name) => h("th", { scope: "col" }, frame.named("column", name)));
    const line = ([name, { possible, entropy, choices }]) => h("tr", {}, h("th", { scope: "row" }, name),
      [number(possible), entropy.toFixed(2), choices.toFixed(1)].map((text) => h("td", { class: "llm-number" }, text)));
    this.open.replaceChildren(h("table", {}, h("caption", {}, frame.t("open_title")), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(line))));
  }

  /** What has changed, in a sentence. */
  spoken() {
    const { frame, state, listed, chances } = this;
    if (!state.shown) return this.quiz.label.textContent;
    const top = listed.slice(0, 3).map(({ id, label }) => `${label} ${percent(chances.final[id])}`).join(", ");
    return frame.t("spoken", { settings: this.settingsText(), top });
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, reading, chances, state, counts } = this;
    if (!reading?.length) return { caption: this.notice(), head: [], rows: [] };
    const hidden = frame.t("hidden");
    const drawn = ({ id }) => (state.shown ? [chances.final[id], counts.get(id) ?? 0] : [hidden, hidden]);
    const rows = this.listed.map((row) => [row.label, row.id, chances.logits[row.id], row.p, ...drawn(row), row.truth ?? ""]);
    const head = ["token", "id", "logit", "model", "final", "drawn", "truth"].map((name) => frame.named("column", name));
    return { caption: frame.t("table_caption", { text: reading.textTo(reading.length - 1) }), head, rows };
  }
}
