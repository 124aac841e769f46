/** The stream of a token as a sum: what each part of a model adds, and what leaving it out changes. */

import { norm } from "./heat_rows.js";
import { Reading } from "./reading.js";
import { softmax } from "./engine.js";

const FIRST_PART = "embedding";

/** The parts of a model in order: "embedding", "0.attention", "0.ffn", … @param {{n_layers: number}} config */
export function partNames({ n_layers }) {
  return [FIRST_PART, ...Array.from({ length: n_layers }, (_, layer) => [`${layer}.attention`, `${layer}.ffn`]).flat()];
}

/** Those parts of a list in a text that a model has and that can be left out. @param {string} text */
export function partsOff(text, config) {
  const named = new Set(text.split(","));
  return partNames(config).slice(1).filter((part) => named.has(part));
}

/**
 * What a part does to the stream of one token.
 * @typedef {{part: string, before: Float64Array | null, added: Float64Array, after: Float64Array,
 *   cosine: number | null, says: {id: number, p: number}}} Step
 */

export class StreamReading extends Reading {
  /** The same text, read without some parts. @param {string[]} parts @returns {StreamReading} */
  leaveOut(parts) {
    const edits = Object.fromEntries(parts.map((part) => [`blocks.${part}.output`, (values) => values.fill(0)]));
    const acts = this.model.trace(this.ids, edits);
    return Object.assign(Object.create(StreamReading.prototype), this, { acts, logits: acts.logits.values, whole: this });
  }

  /** An activation of one token (C). */
  vector(name, token) {
    const { d_model: C } = this.model.config;
    return this.acts[name].values.subarray(token * C, (token + 1) * C);
  }

  /** All parts in order, for one token. @returns {Step[]} */
  steps(token) {
    let before = null;
    return partNames(this.model.config).map((part) => {
      const [layer, kind] = part.split(".");
      const added = this.vector(part === FIRST_PART ? "embeddings" : `blocks.${part}.output`, token);
      const after = part === FIRST_PART ? added : this.vector(`blocks.${layer}.residual_${kind === "ffn" ? "post" : "mid"}`, token);
      const step = { part, before, added, after, cosine: before && cosine(added, before), says: this.lens(after) };
      before = after;
      return step;
    });
  }

  /** What the model would put first if it ended with this row. @param {Float64Array} row (C) */
  lens(row) {
    const { transformer } = this.model;
    const chances = softmax(transformer.unembed(transformer.finalNorm(row.slice())));
    const id = chances.indexOf(chances.reduce((a, b) => Math.max(a, b)));
    return { id, p: chances[id] };
  }

  /**
   * What a row brings to the logit of a word, with the final norm as it is at the token. These add up to
   * the logit, but for a bias. Null where norms stand on the stream, which is then no sum.
   */
  brings(row, id, token) {
    const { config, transformer } = this.model;
    if (config.norm_position !== "pre") return null;
    const { norm: kind, norm_eps, d_model: C, n_layers } = config;
    const mean = (x) => (kind === "layernorm" ? x.reduce((a, b) => a + b, 0) / C : 0);
    const last = this.vector(`blocks.${n_layers - 1}.residual_post`, token);
    const centre = mean(last);
    const scale = Math.sqrt(last.reduce((sum, value) => sum + (value - centre) ** 2, 0) / C + norm_eps);
    const { values: weight } = transformer.weights["final_norm.weight"];
    const { values: head } = transformer.weights["lm_head.weight"] ?? transformer.weights["embeddings.token.weight"];
    const own = mean(row);
    return row.reduce((sum, value, c) => sum + ((value - own) / scale) * weight[c] * head[id * C + c], 0);
  }

  /** Chances (V) of what follows a token. */
  chancesAt(token) {
    return softmax(this.logitsAt(token));
  }
}

/** The cosine of the angle between two vectors. */
export function cosine(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0) / Math.max(norm(a) * norm(b), 1e-12);
}

/** The id with the greatest chance. @param {Float64Array} chances */
export function likeliest(chances) {
  return chances.reduce((best, p, id) => (p > chances[best] ? id : best), 0);
}
