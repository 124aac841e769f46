/** From a logit to the number of draws, step by step, for every token at once. */

import { draw, distribution, generator } from "./sampling.js";
import { softmax } from "./engine.js";

const FILTERS = ["top_k", "top_p", "min_p"];

/** The chances after each step, and which filter took a token out. */
export class DrawChain {
  /** @param {Float32Array} logits @param {{temperature: number, top_k: number, top_p: number, min_p: number}} settings */
  constructor(logits, settings) {
    const { temperature } = settings;
    Object.assign(this, { logits, settings, model: Float64Array.from(softmax(logits)) });
    this.heated = distribution(logits, { temperature });
    const steps = FILTERS.map((_, i) => distribution(logits, { temperature, ...only(settings, FILTERS.slice(0, i + 1)) }));
    this.filtered = steps;
    this.final = steps.at(-1);
  }

  /** The name of the filter that took a token out, or null. @param {number} id */
  cut(id) {
    if (!this.settings.temperature) return null;
    const step = this.filtered.findIndex((chances) => chances[id] === 0);
    return step < 0 ? null : FILTERS[step];
  }

  /** Many draws with one seed, as ids. @param {number} count @param {number} seed */
  draws(count, seed) {
    const random = generator(seed);
    return Array.from({ length: count }, () => draw(this.final, random));
  }
}

function only(settings, names) {
  return Object.fromEntries(names.map((name) => [name, settings[name]]));
}

/** How open a distribution is: tokens that can come, entropy in nats, as many equal choices. */
export function openness(chances) {
  const possible = chances.filter((p) => p > 0);
  const entropy = Math.abs(possible.reduce((sum, p) => sum - p * Math.log(p), 0)); // no -0
  return { possible: possible.length, entropy, choices: Math.exp(entropy) };
}
