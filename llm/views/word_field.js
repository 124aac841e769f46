/** A field for a word of the vocabulary, which says when there is no such word. */

import { h } from "./parts.js";

export class WordField {
  /**
   * @param {import("./frame.js").Frame} frame @param {string} name  of the part of the state
   * @param {string} listId  of the words that the browser offers
   * @param {(change: object) => void} change
   */
  constructor(frame, name, listId, change) {
    const id = frame.id(name);
    this.input = h("input", { id, type: "text", list: listId, autocomplete: "off", autocapitalize: "off", spellcheck: "false", dir: "auto", maxlength: 40 });
    this.input.addEventListener("change", () => change({ [name]: this.input.value.trim() }));
    this.element = h("div", { class: "llm-word-field" }, h("label", { for: id }, frame.named("field", name)), this.input);
  }

  /** @param {string} word @param {boolean} known */
  draw(word, known) {
    if (this.input.value !== word) this.input.value = word;
    this.input.setAttribute("aria-invalid", !known);
  }
}
