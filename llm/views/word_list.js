/** Words with a number each, as bars; a word can be pressed. */

import { button, h, isolate } from "./parts.js";

/**
 * @param {string} label  what the list holds
 * @param {{word: string, value: number, note?: string}[]} items
 * @param {(word: string) => void} choose
 */
export function wordBars(label, items, choose) {
  const rows = items.map(({ word, value, note }) => {
    const bar = h("span", { class: "llm-bar", "aria-hidden": "true" }, h("span", { style: `inline-size: ${Math.max(0, 100 * value).toFixed(1)}%` }));
    const name = button(isolate(word), () => choose(word), { class: "llm-button llm-word-name", dir: "auto" });
    return h("li", {}, name, bar, h("span", { class: "llm-place" }, written3(value)), h("span", { class: "llm-legend" }, note ?? ""));
  });
  return h("ol", { class: "llm-word-bars", "aria-label": label }, rows);
}

/** A cosine with three digits. @param {number} value */
export function written3(value) {
  return value.toFixed(3).replace("-", "−");
}
