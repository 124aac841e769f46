/** A question to the reader: something to answer it with, then a verdict. */

import { button, h } from "./parts.js";

export class Prediction {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {string} part  names it among the parts of the view
   * @param {HTMLElement} [verdict]  where the verdict stands, if not below the answers
   */
  constructor(frame, part, verdict) {
    this.frame = frame;
    this.label = h("p", { id: frame.id(part) });
    this.answers = h("div", { class: "llm-choices" });
    this.verdict = verdict ?? h("div", { class: "llm-message" });
    this.element = h("div", { class: "llm-predict", role: "group", "aria-labelledby": this.label.id });
    this.element.append(this.label, this.answers, ...(verdict ? [] : [this.verdict]));
  }

  /**
   * Ask something, with what it is answered by.
   * @param {(Node | string)[]} question
   * @param {Node[]} answers
   */
  put(question, answers) {
    this.label.replaceChildren(...question);
    this.answers.replaceChildren(...answers);
    this.show();
  }

  /**
   * Ask something with a button for each choice.
   * @param {string} question
   * @param {string[]} choices
   * @param {(choice: number) => void} answer
   */
  ask(question, choices, answer) {
    this.buttons = choices.map((label, i) => button(label, () => answer(i)));
    this.put([question], this.buttons);
  }

  /** Take no more answers, and mark the right one. @param {number} right */
  close(right) {
    this.buttons.forEach((choice, i) => {
      choice.disabled = true;
      choice.classList.toggle("llm-right", i === right);
    });
  }

  /** Show a verdict. @param {...(Node | string)} verdict */
  show(...verdict) {
    this.verdict.replaceChildren(...verdict);
  }

  /** Show a verdict and say it. @param {...(Node | string)} verdict */
  say(...verdict) {
    this.show(...verdict);
    this.frame.announce(verdict.map((part) => part.textContent ?? part).join(" "));
  }
}
