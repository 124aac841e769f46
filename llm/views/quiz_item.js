/** A question of a quiz: answer it, check, read why. */

import { Choices, NumberField, Thought, withCode } from "./quiz_answers.js";
import { Prediction } from "./predict.js";
import { button, h } from "./parts.js";

const KINDS = { one: Choices, several: Choices, number: NumberField, thought: Thought };

/**
 * What a reader has done with a question.
 * @typedef {object} Done
 * @property {any} given  the last answer that was checked
 * @property {boolean | null} first  whether the first was right; of a thought, what the reader says
 * @property {boolean} told  whether the answer was found, or told
 */

/** @type {Done} */
const NOTHING = { given: null, first: null, told: false };

export class Item {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {import("./quiz_answers.js").Asked} asked
   * @param {number} place  among the questions, from 1
   * @param {() => void} onChange  told of what the reader does
   */
  constructor(frame, asked, place, onChange) {
    Object.assign(this, { frame, asked, onChange, done: NOTHING });
    this.answer = new KINDS[asked.kind](frame, asked, frame.id(`answer-${place}`));
    this.prediction = new Prediction(frame, `asked-${place}`);
    const buttons = asked.kind === "thought" ? this.comparing() : this.checking();
    const question = [h("span", { class: "llm-place" }, `${place}. `), ...withCode(asked.text)];
    this.prediction.put(question, [...this.answer.elements, h("div", { class: "llm-controls" }, buttons)]);
    this.prediction.answers.addEventListener("keydown", (event) => this.key(event));
    this.prediction.answers.addEventListener("input", () => this.unmark());
    this.element = h("li", {}, this.prediction.element);
  }

  /** Buttons of a question that can be checked. */
  checking() {
    this.check = button(this.frame.t("check"), () => this.checkAnswer());
    this.tell = button(this.frame.t("tell"), () => this.tellAnswer(this.done.given));
    return [this.check, this.tell];
  }

  /** Buttons of a thought: the reader compares it with the answer. */
  comparing() {
    const { frame } = this;
    this.tell = button(frame.t("reveal"), () => this.tellAnswer(this.answer.given()));
    const had = button(frame.t("had_it"), () => this.judge(true));
    const missed = button(frame.t("not_yet"), () => this.judge(false));
    this.judges = new Map([[true, had], [false, missed]]);
    this.judging = h("div", { class: "llm-controls" }, h("span", {}, frame.t("compare")), had, missed);
    this.prediction.element.append(this.judging);
    return [this.tell];
  }

  /** Enter in a field checks. @param {KeyboardEvent} event */
  key(event) {
    if (event.key !== "Enter" || event.target.localName !== "input") return;
    event.preventDefault();
    this.checkAnswer();
  }

  checkAnswer() {
    const given = this.answer.given();
    if (given === null) return this.prediction.say(this.answer.missing);
    const right = this.answer.right(given);
    this.act({ given, first: this.done.first ?? right, told: this.done.told || right });
  }

  /** The reader wants to know, or has thought enough. */
  tellAnswer(given) {
    this.act({ given, told: true });
    (this.check ?? this.judges.get(true)).focus();
  }

  /** What the reader says of a thought. @param {boolean} first */
  judge(first) {
    this.done = { ...this.done, first };
    this.prediction.show(...this.draw());
    this.onChange();
  }

  /** Something the reader did. @param {Partial<Done>} change */
  act(change) {
    this.done = { ...this.done, ...change };
    this.prediction.say(...this.draw());
    this.onChange();
  }

  /** Take up what was kept, if it can be an answer to this question. @param {any} kept */
  take(kept) {
    const fits = kept && (kept.given === null || this.answer.possible(kept.given));
    const first = typeof kept?.first === "boolean" ? kept.first : null;
    this.done = fits ? { given: kept.given, first, told: kept.told === true } : NOTHING;
    this.answer.put(this.done.given);
    this.prediction.show(...this.draw());
  }

  /** Draw signs and buttons. @returns {Node[]} the verdict, and why once the answer is told */
  draw() {
    const { given, first, told } = this.done;
    this.answer.mark?.(given, told);
    this.tell.hidden = told || (Boolean(this.check) && first === null);
    if (this.judging) this.judging.hidden = !told;
    for (const [judged, each] of this.judges ?? []) each.setAttribute("aria-pressed", first === judged);
    const verdict = this.verdict();
    const why = told ? [h("p", { class: "llm-why" }, ...withCode(this.asked.why))] : [];
    return [...(verdict ? [h("p", {}, ...withCode(verdict))] : []), ...why];
  }

  verdict() {
    const { frame, done, answer, asked } = this;
    if (this.judges || done.given === null) return "";
    if (answer.right(done.given)) return frame.t("right");
    return done.told ? frame.t("answer_is", { answer: answer.text(asked.answer) }) : answer.hint(done.given);
  }

  /** A new answer is on its way: what was said of the last one goes. */
  unmark() {
    this.answer.mark?.(null, this.done.told);
    if (!this.done.told) this.prediction.show();
  }

  /** Question, answer given, and whether it was right, for the table. */
  row() {
    const { frame, done, answer, asked } = this;
    if (done.first === null) return [asked.text, "", ""];
    const later = !this.judges && answer.right(done.given);
    const result = frame.t(done.first ? "result_first" : later ? "result_later" : "result_wrong");
    return [asked.text, answer.text(done.given), result];
  }
}
