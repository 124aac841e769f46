/** What one past model makes of a text: each token's surprise, the next words, how it would go on. */

import { h, isolate, number } from "./parts.js";
import { TokenStrip, percent } from "./token_strip.js";
import { softmax } from "./engine.js";

const LIKELIEST = 3;

export class FilmRow {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {number} step
   * @param {{go: () => void, choose: (position: number) => void}} act
   */
  constructor(frame, step, { go, choose }) {
    Object.assign(this, { frame, step });
    const name = frame.t("past_step", { step });
    this.button = h("button", { type: "button", class: "llm-button", "aria-pressed": "false", title: frame.t("past_go"), onclick: go }, name);
    this.mean = h("span", { class: "llm-legend" });
    this.strip = new TokenStrip(frame.t("past_strip", { step }), choose);
    this.readout = h("p", { class: "llm-past-readout" });
    this.next = h("ol", { class: "llm-past-next", "aria-label": frame.t("past_next", { step }) });
    this.added = h("p", { class: "llm-past-added" });
    const read = h("div", { class: "llm-past-read" }, this.strip.element, this.added);
    const chances = h("div", {}, this.readout, h("p", { class: "llm-legend" }, frame.t("past_expected")), this.next);
    this.body = h("div", { class: "llm-past-body", hidden: true }, read, chances);
    this.element = h("li", { class: "llm-past-row" }, h("div", { class: "llm-past-head" }, this.button, this.mean), this.body);
  }

  /** Mark the model of the moment that the film shows. @param {boolean} now */
  mark(now) {
    this.element.classList.toggle("llm-past-now", now);
    this.button.setAttribute("aria-pressed", now);
  }

  /** Say that the model is not here. */
  fail() {
    this.body.hidden = true;
    this.mean.textContent = this.frame.t("past_failed");
  }

  /** @param {import("./film_past.js").PastReading} reading @param {number} position */
  draw(reading, position) {
    const { frame } = this;
    this.body.hidden = false;
    this.mean.textContent = reading.mean === null ? "" : frame.t("past_mean", { nats: reading.mean });
    const tokens = reading.ids.map((id, t) => ({ label: reading.model.label(id), surprise: reading.surprise[t] }));
    this.strip.draw(tokens, position, (token) => this.said(token));
    this.reveal();
    this.readout.textContent = this.said(tokens[position]);
    this.next.replaceChildren(...this.bars(reading, position));
    this.added.replaceChildren(h("span", { class: "llm-legend" }, frame.t("past_added")), h("span", {}, this.goesOn(reading)));
  }

  /** Scroll the strip, where it is too low for the text, to the chosen token. */
  reveal() {
    const { element } = this.strip;
    const chosen = element.querySelector("[aria-selected=true]");
    element.scrollTop = chosen.offsetTop - (element.clientHeight - chosen.offsetHeight) / 2;
  }

  /** A token with its surprise, in words. @param {import("./token_strip.js").StripToken} token */
  said({ label, surprise }) {
    const token = isolate(label);
    if (surprise === null) return this.frame.t("past_first", { token });
    return this.frame.t("past_token", { token, nats: number(surprise), p: percent(Math.exp(-surprise)) });
  }

  /** The likeliest next tokens; hollow, what the process of the stories gives them. */
  bars(reading, position) {
    const { frame } = this;
    const chances = softmax(reading.logitsAt(position));
    const truth = reading.truthAt(position);
    const order = Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a] || a - b);
    const width = (p) => `inline-size: ${(p * 100).toFixed(1)}%`;
    return order.slice(0, LIKELIEST).map((id) => {
      const real = truth?.get(id) ?? 0;
      const hollow = real ? [h("span", { class: "llm-past-true", style: width(real) })] : [];
      const told = truth ? h("span", { class: "llm-hidden" }, frame.t("past_truly", { p: percent(real) })) : "";
      return h("li", {},
        h("span", { class: "llm-past-word" }, reading.model.label(id)),
        h("span", { class: "llm-past-bar", "aria-hidden": "true" }, h("span", { class: "llm-past-guess", style: width(chances[id]) }), hollow),
        h("span", { class: "llm-number" }, percent(chances[id])), told);
    });
  }

  /** The tokens that the model adds, with dots where it would say more. */
  goesOn({ model, added }) {
    const ended = model.special.has(added.at(-1));
    return ended ? `${model.decode(added)} ${model.label(added.at(-1))}` : `${model.decode(added)} …`;
  }
}
