/** How the next token is drawn: temperature, top-k, top-p, and a seed that makes it repeatable. */

import { draw, generator, distribution } from "./sampling.js";
import { button, h } from "./parts.js";

const TOP_K = [0, 1, 2, 3, 5, 10, 20, 50]; // 0: all

/** What each slider stands for: its places, and how a place is said. */
const SLIDERS = {
  temperature: { max: 20, value: (place) => place / 10, place: (value) => Math.round(value * 10) },
  top_k: { max: TOP_K.length - 1, value: (place) => TOP_K[place], place: (value) => Math.max(0, TOP_K.findLastIndex((k) => k <= value)) },
  top_p: { max: 20, value: (place) => place / 20, place: (value) => Math.round(value * 20) },
  min_p: { max: 20, value: (place) => place / 20, place: (value) => Math.round(value * 20) },
};
const USUAL = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 };

export class Sampler {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(change: object) => void} change
   * @param {string[]} [names]  of the sliders
   */
  constructor(frame, change, names = ["temperature", "top_k", "top_p"]) {
    Object.assign(this, { frame, change });
    this.sliders = names.map((name) => this.slider(name));
    const dice = button(frame.t("new_seed"), () => change({ seed: (this.settings.seed + 1) % 1000 }));
    this.seed = h("span", { class: "llm-place" });
    const usual = button(frame.t("usual"), () => change(Object.fromEntries(names.map((name) => [name, USUAL[name]]))));
    this.element = h("div", { class: "llm-sampler", role: "group", "aria-label": frame.t("sampler") },
      this.sliders.map(({ element }) => element), h("div", { class: "llm-controls" }, usual, dice, this.seed));
  }

  slider(name) {
    const { frame } = this;
    const { max, value } = SLIDERS[name];
    const id = frame.id(name);
    const input = h("input", { id, type: "range", min: name === "top_p" ? 1 : 0, max, step: 1 });
    input.addEventListener("input", () => this.change({ [name]: value(Number(input.value)) }));
    const output = h("output", { for: id, class: "llm-place" });
    const element = h("div", { class: "llm-slider" }, h("label", { for: id }, frame.named("slider", name)), output, input);
    return { name, input, output, element };
  }

  /** Settings made valid. @param {Record<string, any>} state */
  static valid({ temperature, top_k, top_p, seed }) {
    const within = (value, low, high, usual) => (Number.isFinite(parseFloat(value)) ? Math.min(high, Math.max(low, parseFloat(value))) : usual);
    return {
      temperature: within(temperature, 0, 2, 1), top_k: Math.trunc(within(top_k, 0, 50, 0)),
      top_p: within(top_p, 0.05, 1, 1), seed: Math.trunc(within(seed, 0, 999, 0)),
    };
  }

  /** @param {ReturnType<typeof Sampler.valid>} settings */
  draw(settings) {
    this.settings = settings;
    for (const { name, input, output } of this.sliders) {
      input.value = SLIDERS[name].place(settings[name]);
      const text = this.said(name, settings[name]);
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    this.seed.textContent = this.frame.t("seed", { seed: settings.seed });
  }

  said(name, value) {
    if (name === "top_k" && value === 0) return this.frame.t("top_k_all");
    if (name === "temperature" && value === 0) return this.frame.t("greedy");
    return value.toFixed(name === "temperature" ? 1 : name === "top_k" ? 0 : 2);
  }
}

/**
 * Draw the token after some logits; the seed and the place in the text decide the random number.
 * @returns {{id: number, random: number}}
 */
export function nextToken(logits, settings, place) {
  const random = generator(settings.seed * 4096 + place)();
  return { id: draw(distribution(logits, settings), () => random), random };
}
