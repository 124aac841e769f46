/** From logits to a token: temperature, top-k, top-p, min-p and a draw, as in `llm/output.py`. */

import { softmax } from "./engine.js";

/**
 * Probabilities (V) to draw from: temperature first, then the filters; what is cut has none.
 * @param {Float32Array} logits
 * @param {{temperature: number, top_k?: number, top_p?: number, min_p?: number}} settings  temperature 0 is greedy
 * @returns {Float64Array}
 */
export function distribution(logits, { temperature, top_k, top_p = 1, min_p = 0 }) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (temperature === 0) return Float64Array.from(logits, (_, id) => Number(id === order[0]));
  const scaled = softmax(logits.map((logit) => logit / temperature));
  const kept = new Set(nucleus(order.slice(0, top_k || undefined), scaled, top_p));
  const least = min_p * scaled[order[0]];
  const probabilities = scaled.map((p, id) => (kept.has(id) && p >= least ? p : 0));
  const total = probabilities.reduce((a, b) => a + b, 0);
  return probabilities.map((p) => p / total);
}

/** The fewest of the ordered ids that together reach a share, the crossing one included. */
function nucleus(order, probabilities, share) {
  if (share >= 1) return order;
  const total = order.reduce((sum, id) => sum + probabilities[id], 0);
  let before = 0;
  const end = order.findIndex((id) => (before += probabilities[id] / total) >= share);
  return end < 0 ? order : order.slice(0, end + 1);
}

/** Draw an id: walk along the probabilities until a random number is used up. */
export function draw(probabilities, random) {
  let left = random();
  for (let id = 0; id < probabilities.length; id++) {
    left -= probabilities[id];
    if (left < 0) return id;
  }
  return probabilities.findLastIndex((p) => p > 0); // rounding left a trace
}

/** Random numbers from 0 to 1 that depend on nothing but the seed (mulberry32). @param {number} seed */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
