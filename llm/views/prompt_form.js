/** Where a reader gives a text to one of several models: the field, texts to try, the models. */

import { button, choice, h } from "./parts.js";

export class PromptForm {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {{name: string, prompt: string, examples: [string, string][]}[]} specs
   * @param {(change: {prompt: string, model?: string}) => void} change
   */
  constructor(frame, specs, change) {
    Object.assign(this, { frame, specs, change });
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => change({ prompt: this.input.value }));
    this.examples = h("div", { class: "llm-examples" });
    this.field = h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("prompt_label")), this.input, this.examples);
    this.choice = this.models();
  }

  models() {
    const { frame, specs } = this;
    const card = (name) => h("span", {}, h("span", { class: "llm-name" }, frame.named("model", name)), " ", h("span", { class: "llm-legend" }, frame.named("about", name)));
    const choices = specs.map(({ name }) => ({ value: name, content: [card(name)] }));
    const box = choice({ name: frame.id("model"), legend: frame.t("models_label"), choices }, (model) => this.change({ model }));
    box.hidden = choices.length < 2;
    return box;
  }

  /** @param {{model: string, prompt: string}} state */
  draw({ model, prompt }) {
    this.choice.querySelector(`input[value="${CSS.escape(model)}"]`).checked = true;
    if (this.input.value !== prompt) this.input.value = prompt;
    if (this.shown !== model) this.offer(model);
  }

  /** The texts to try with a model. @param {string} model */
  offer(model) {
    this.shown = model;
    const { examples } = this.specs.find(({ name }) => name === model);
    const buttons = examples.map(([name, prompt]) => button(this.frame.named("example", name), () => this.change({ prompt }), { title: prompt }));
    this.examples.replaceChildren(h("span", {}, this.frame.t("examples_label")), ...buttons);
  }
}
