/** One pre-token on its way from bytes to tokens, as a guessing game. */

import { bytesText, visible } from "./token_text.js";
import { button, h, isolate } from "./parts.js";
import { Prediction } from "./predict.js";

/** @typedef {import("./bpe.js").BPE} BPE */
/** @typedef {{left: number, right: number, rank: number | undefined}} Pair */

const LONGEST = 64;
const PAUSE = 1200;
const CHOICES = 4;

export class MergeSteps {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(step: number) => void} onStep  told of each step that the reader takes
   */
  constructor(frame, onStep) {
    Object.assign(this, { frame, onStep });
    this.title = h("p", { class: "llm-subtitle", id: frame.id("steps") });
    this.pieces = h("div", { class: "llm-pieces" });
    this.message = h("p", { class: "llm-message" });
    this.prediction = new Prediction(frame, "predict", this.message);
    this.controls = this.buildControls();
    this.element = h("section", { class: "llm-steps", "aria-labelledby": this.title.id });
    this.element.append(this.title, this.pieces, this.message, this.prediction.element, this.controls);
  }

  buildControls() {
    const { frame } = this;
    this.back = button(frame.t("previous"), () => this.go(this.at - 1));
    this.play = button(frame.t("play"), () => this.togglePlay());
    this.next = button(frame.t("next"), () => this.go(this.at + 1));
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": frame.t("step_slider") });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.place = h("span", { class: "llm-place" });
    return h("div", { class: "llm-controls" }, this.back, this.play, this.next, this.slider, this.place);
  }

  /**
   * Show a pre-token of a tokenizer, or say why there is nothing to show.
   * @param {BPE | undefined} engine
   * @param {string | null} word
   * @param {number} step
   */
  show(engine, word, step) {
    if (engine === this.engine && word === this.word && step === this.at) return;
    Object.assign(this, { engine, word });
    this.stop();
    const bytes = new TextEncoder().encode(word ?? "").length;
    const usable = word !== null && bytes <= LONGEST;
    for (const part of [this.pieces, this.prediction.element, this.controls]) part.hidden = !usable;
    if (!usable) {
      const why = this.frame.t(word === null ? "steps_none" : "steps_long", { bytes, limit: LONGEST });
      this.title.textContent = this.frame.t("steps_none_title");
      this.steps = []; // a key may still reach a button that is hidden only now
      this.prediction.put([], []);
      this.prediction.show(why);
      return;
    }
    this.title.textContent = this.frame.t("steps_title", { word: isolate(visible(word)) });
    this.steps = engine.steps(word);
    const { pieces } = this.steps.at(-1);
    // That nothing merges any more is a step of its own, so that it can be predicted too.
    if (pieces.length > 1) this.steps.push({ pieces, rank: null, made: [], end: true });
    this.slider.max = this.steps.length - 1;
    const first = Math.min(step, this.steps.length - 1);
    this.draw(first, this.describe(first));
  }

  /** @param {number} step @param {string} [message] */
  go(step, message) {
    if (!(step in this.steps)) return;
    this.draw(step, message ?? this.describe(step));
    this.frame.announce(this.message.textContent);
    this.onStep(step);
  }

  draw(step, message) {
    this.at = step;
    const last = step === this.steps.length - 1;
    this.drawPieces(this.steps[step], last);
    this.slider.value = step;
    this.slider.setAttribute("aria-valuetext", this.placeText());
    this.place.textContent = this.placeText();
    this.back.disabled = step === 0;
    this.next.disabled = last;
    this.play.disabled = this.steps.length === 1;
    this.ask();
    this.prediction.show(message);
  }

  /** @param {import("./bpe.js").Step} step */
  drawPieces({ pieces, made }, last) {
    const chips = pieces.map((id, i) => {
      const text = h("span", { class: "llm-text", dir: "auto" }, this.text(id));
      const chip = h("span", { class: `llm-chip llm-tint-${i % 3}` }, text);
      if (last) chip.append(h("span", { class: "llm-id" }, String(id)));
      if (made.includes(i)) chip.classList.add("llm-fresh");
      return chip;
    });
    this.pieces.replaceChildren(...chips);
  }

  /** Ask which pair merges next, with the right answer among the choices. */
  ask() {
    const { frame } = this;
    const { pieces, end } = this.steps[this.at];
    this.prediction.element.hidden = pieces.length < 2;
    const choices = [...this.candidates(), null];
    const labels = choices.map((pair) => (pair ? this.pairText(pair) : frame.t("predict_none")));
    const answer = this.engine.lowest(pieces);
    const right = choices.findIndex((pair) => (pair && pair.rank) === answer);
    this.prediction.ask(frame.t("predict"), labels, (i) => this.answer(choices[i], right));
    if (end) this.prediction.close(right);
  }

  /** Up to four pairs of neighbours, those that merge soonest, in the order of the text. */
  candidates() {
    const { pieces } = this.steps[this.at];
    const pairs = new Map();
    pieces.slice(0, -1).forEach((left, i) => {
      const right = pieces[i + 1];
      pairs.set(`${left} ${right}`, { left, right, rank: this.engine.rank(left, right) });
    });
    const all = [...pairs.values()];
    const soonest = all.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0).slice(0, CHOICES);
    return all.filter((pair) => soonest.includes(pair));
  }

  /** Say whether a guess was right, and show what happens. @param {Pair | null} guess */
  answer(guess, right) {
    this.stop();
    const { frame } = this;
    const answer = this.engine.lowest(this.steps[this.at].pieces);
    const verdict = (guess && guess.rank) === answer ? frame.t("right") : this.correction(guess);
    if (answer === null) {
      this.go(this.at + 1, `${verdict} ${frame.t("finished")}`);
      return this.back.focus();
    }
    this.prediction.say(`${verdict} ${frame.t("merges_next", this.mergeWords(answer))}`);
    this.prediction.close(right);
    this.next.focus();
  }

  /** @param {Pair | null} guess */
  correction(guess) {
    if (!guess) return this.frame.t("wrong_none");
    const pair = this.pairText(guess);
    if (guess.rank === undefined) return this.frame.t("wrong_never", { pair });
    return this.frame.t("wrong_later", { pair, rank: guess.rank });
  }

  /** What happened in a step. @param {number} step */
  describe(step) {
    const { rank, end } = this.steps[step];
    if (end) return this.frame.t("finished");
    if (rank === null) return this.describeStart();
    return this.frame.t("merged", this.mergeWords(rank));
  }

  describeStart() {
    const bytes = this.steps[0].pieces.length;
    const start = this.frame.t("steps_start", { bytes });
    return bytes > Array.from(this.word).length ? `${start} ${this.frame.t("steps_cut")}` : start;
  }

  /** @param {number} rank */
  mergeWords(rank) {
    const { left, right, made } = this.engine;
    const pair = this.pairText({ left: left[rank], right: right[rank] });
    return { pair, rank, whole: isolate(this.text(made[rank])) };
  }

  /** How many merges there are is said at the end only: before, it would answer the question. */
  placeText() {
    const merges = this.steps.filter((step) => step.rank !== null).length;
    const last = this.at === this.steps.length - 1;
    return last ? this.frame.t("step_end", { steps: merges }) : this.frame.t("step_place", { step: this.at });
  }

  pairText({ left, right }) {
    return `${isolate(this.text(left))} + ${isolate(this.text(right))}`;
  }

  text(id) {
    return bytesText(this.engine.bytes(id));
  }

  togglePlay() {
    if (this.timer || !this.steps.length) return this.stop();
    if (this.at === this.steps.length - 1) this.go(0);
    this.play.textContent = this.frame.t("pause");
    this.timer = setInterval(() => this.tick(), PAUSE);
  }

  tick() {
    this.go(this.at + 1);
    if (this.at === this.steps.length - 1) this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = this.frame.t("play");
  }
}
