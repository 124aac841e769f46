/** What a question of a quiz is answered with: choices, a number, or a thought. */

import { h } from "./parts.js";

/**
 * @typedef {object} Asked
 * @property {"one" | "several" | "number" | "thought"} kind
 * @property {string} text
 * @property {string} why
 * @property {string[]} choices
 * @property {any} answer  places of the right choices, or a number
 * @property {number} tolerance
 * @property {[any, string][]} hints  wrong answers, and what to say of them
 */

const ROUNDING = 1e-9;

/** Text with what stands in backticks as code. @param {string} text @returns {(Node | string)[]} */
export function withCode(text) {
  return text.split(/`([^`]+)`/).map((part, i) => (i % 2 ? h("code", {}, part) : part));
}

/** Sign an answer as right or wrong, or as neither. @param {boolean | null} right */
function sign(frame, element, mark, right) {
  element.classList.toggle("llm-right", right === true);
  element.classList.toggle("llm-wrong", right === false);
  const signed = () => h("span", { role: "img", "aria-label": frame.t(right ? "mark_right" : "mark_wrong") }, right ? "✓" : "✗");
  mark.replaceChildren(...(right === null ? [] : [signed()]));
}

/** Choices to mark, one or several. What is given is the list of their places. */
export class Choices {
  /** @param {import("./frame.js").Frame} frame @param {Asked} asked @param {string} name */
  constructor(frame, asked, name) {
    Object.assign(this, { frame, asked });
    const type = asked.kind === "one" ? "radio" : "checkbox";
    this.inputs = asked.choices.map(() => h("input", { type, name }));
    this.marks = asked.choices.map(() => h("span", { class: "llm-mark" }));
    this.elements = asked.choices.map((text, i) =>
      h("label", { class: "llm-option" }, this.inputs[i], h("span", {}, ...withCode(text)), this.marks[i]));
  }

  get missing() {
    return this.frame.t(this.asked.kind === "one" ? "missing_one" : "missing_several");
  }

  /** The answer, null while there is none. @returns {number[] | null} */
  given() {
    const places = this.inputs.flatMap((input, i) => (input.checked ? [i] : []));
    return places.length ? places : null;
  }

  /** Whether something that was kept can be an answer. */
  possible(given) {
    return Array.isArray(given) && given.length > 0 && given.every((i) => Number.isInteger(i) && i in this.inputs);
  }

  put(given) {
    this.inputs.forEach((input, i) => (input.checked = given?.includes(i) ?? false));
  }

  right(given) {
    return String(given) === String(this.asked.answer);
  }

  /** What to say of a wrong answer. @param {number[]} given */
  hint(given) {
    const hint = this.asked.hints.find(([i]) => given.includes(i));
    if (hint) return this.frame.t("hinted", { hint: hint[1] });
    const some = given.every((i) => this.asked.answer.includes(i));
    return this.frame.t(some ? "incomplete" : "wrong");
  }

  /** Sign the choices: those that were given, and all right ones once the answer is told. */
  mark(given, told) {
    this.elements.forEach((option, i) => {
      const right = this.asked.answer.includes(i);
      const shown = told ? right || given?.includes(i) : this.asked.kind === "one" && given?.includes(i);
      sign(this.frame, option, this.marks[i], shown ? right : null);
    });
  }

  text(given) {
    return given.map((i) => this.asked.choices[i]).join("; ");
  }
}

/** A number to type. What is given is the text of the field. */
export class NumberField {
  /** @param {import("./frame.js").Frame} frame @param {Asked} asked @param {string} id */
  constructor(frame, asked, id) {
    Object.assign(this, { frame, asked });
    this.input = h("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" });
    const label = h("label", { for: id }, frame.t("number_label"));
    this.sign = h("span", { class: "llm-mark" });
    this.element = h("div", { class: "llm-number-field" }, label, this.input, this.sign);
    this.elements = [this.element];
  }

  get missing() {
    return this.frame.t("missing_number");
  }

  given() {
    return Number.isFinite(numeric(this.input.value)) ? this.input.value.trim() : null;
  }

  possible(given) {
    return typeof given === "string" && Number.isFinite(numeric(given));
  }

  put(given) {
    this.input.value = given ?? "";
  }

  right(given) {
    return this.near(numeric(given), this.asked.answer);
  }

  near(value, wanted) {
    return Math.abs(value - wanted) <= this.asked.tolerance + ROUNDING * Math.max(1, Math.abs(wanted));
  }

  hint(given) {
    const hint = this.asked.hints.find(([value]) => this.near(numeric(given), value));
    if (hint) return this.frame.t("hinted", { hint: hint[1] });
    return this.frame.t(numeric(given) < this.asked.answer ? "too_small" : "too_large");
  }

  mark(given) {
    sign(this.frame, this.element, this.sign, given === null ? null : this.right(given));
  }

  text(given) {
    return String(given);
  }
}

/** The number that a text means: `1,000`, `0.5`, `0,5` and a typographic minus are understood. */
export function numeric(text) {
  const plain = text.replace(/\s/g, "").replace("\u2212", "-");
  const grouped = /^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(plain);
  const written = grouped ? plain.replaceAll(",", "") : plain.replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(written) ? Number(written) : NaN;
}

/** A thought to write down, or only to think. What is given is its text, perhaps empty. */
export class Thought {
  /** @param {import("./frame.js").Frame} frame @param {Asked} asked @param {string} id */
  constructor(frame, asked, id) {
    this.input = h("textarea", { id, rows: 2, dir: "auto" });
    this.elements = [h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("thought_label")), this.input)];
  }

  given() {
    return this.input.value.trim();
  }

  possible(given) {
    return typeof given === "string";
  }

  put(given) {
    this.input.value = given ?? "";
  }

  text(given) {
    return given;
  }
}
