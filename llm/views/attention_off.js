/** Which heads are switched off, as it stands in the address: "2.4", "1.3,2.4" or "all-but-2.4". */

import { headName } from "./attention_reading.js";

const REST = "all-but-";

/** @param {{n_layers: number, n_heads: number}} config @returns {import("./attention_reading.js").Head[]} */
export function allHeads({ n_layers, n_heads }) {
  return Array.from({ length: n_layers * n_heads }, (_, i) => ({ layer: Math.floor(i / n_heads), head: i % n_heads }));
}

/** The heads that a text names; what is no head of the model is left out. @param {string} text */
export function headsOff(text, config) {
  const rest = text.startsWith(REST);
  const named = new Set(text.slice(rest ? REST.length : 0).split(","));
  const all = allHeads(config);
  if (rest && !all.some((at) => named.has(headName(at)))) return [];
  return all.filter((at) => named.has(headName(at)) !== rest);
}

/** The text that names some heads. @param {import("./attention_reading.js").Head[]} heads */
export function offText(heads, config) {
  const off = new Set(heads.map(headName));
  const on = allHeads(config).filter((at) => !off.has(headName(at)));
  if (on.length === 1 && off.size > 1) return REST + headName(on[0]);
  return heads.map(headName).join(",");
}

/** What to call a model without some heads. @param {import("./frame.js").Frame} frame */
export function offName(frame, heads, config) {
  const text = offText(heads, config);
  if (text.startsWith(REST)) return frame.t("only_head", { head: text.slice(REST.length) });
  return heads.length > 1 ? frame.t("without_heads", { n: heads.length }) : frame.t("without", { head: text });
}
