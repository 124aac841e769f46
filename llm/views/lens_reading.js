/** A text read early: what the model would say at each place of the stream, and what each part brings. */

import { StreamReading, likeliest } from "./block_stream.js";
import { softmax } from "./engine.js";

/** Places of the stream in order: "embedding", "0.mid", "0.post", … @param {{n_layers: number}} config */
export function placeNames({ n_layers }) {
  return ["embedding", ...Array.from({ length: n_layers }, (_, layer) => [`${layer}.mid`, `${layer}.post`]).flat()];
}

/** All heads by name: "0.0", "0.1", … @param {{n_layers: number, n_heads: number}} config */
export function headNames({ n_layers, n_heads }) {
  return Array.from({ length: n_layers * n_heads }, (_, i) => `${Math.floor(i / n_heads)}.${i % n_heads}`);
}

/** Those heads of a list in a text that a model has. @param {string} text */
export function headsOff(text, config) {
  const named = new Set(text.split(","));
  return headNames(config).filter((head) => named.has(head));
}

export class LensReading extends StreamReading {
  /** The same text, read while some heads look nowhere. @param {string[]} heads @returns {LensReading} */
  withoutHeads(heads) {
    const edits = {};
    for (const layer of new Set(heads.map((head) => head.split(".")[0]))) {
      const mine = heads.filter((head) => head.split(".")[0] === layer).map((head) => Number(head.split(".")[1]));
      edits[`blocks.${layer}.attention.weights`] = (values, [, T, S]) => mine.forEach((i) => values.fill(0, i * T * S, (i + 1) * T * S));
    }
    const acts = this.model.trace(this.ids, edits);
    return Object.assign(Object.create(LensReading.prototype), this, { acts, logits: acts.logits.values, whole: this, early: null });
  }

  /** Chances (V) at a place of the model and a token. */
  chancesAtPlace(place, token) {
    const { transformer } = this.model;
    const [layer, half] = place.split(".");
    const row = this.vector(half ? `blocks.${layer}.residual_${half}` : "embeddings", token);
    return softmax(transformer.unembed(transformer.finalNorm(row.slice())));
  }

  /** What is put first at every place and token, worked out once. @returns {{id: number, p: number}[][]} */
  firsts() {
    const first = (place, token) => {
      const chances = this.chancesAtPlace(place, token);
      const id = likeliest(chances);
      return { id, p: chances[id] };
    };
    return (this.early ??= placeNames(this.model.config).map((place) => this.ids.map((_, token) => first(place, token))));
  }

  /** What a head adds to the row of a token (C). */
  headRow(layer, head, token) {
    const { n_heads: H, n_kv_heads: G, head_dim: D, d_model: C } = this.model.config;
    const { values: weights, shape: [, T, S] } = this.acts[`blocks.${layer}.attention.weights`];
    const { values: v } = this.acts[`blocks.${layer}.attention.v`]; // (G, S, D)
    const { values: out } = this.model.transformer.weights[`blocks.${layer}.attention.out_proj.weight`]; // (C, H·D)
    const group = Math.floor((head * G) / H);
    const mixed = new Float64Array(D);
    for (let key = 0; key <= token; key++) {
      const weight = weights[(head * T + token) * S + key];
      for (let d = 0; d < D; d++) mixed[d] += weight * v[(group * S + key) * D + d];
    }
    return new Float64Array(C).map((_, c) => mixed.reduce((sum, value, d) => sum + value * out[c * H * D + head * D + d], 0));
  }

  /** What every part brings to the logit of a word; all add up to it. @returns {Map<string, number>} */
  shares(id, token) {
    const { config } = this.model;
    const brought = new Map([["embedding", this.brings(this.vector("embeddings", token), id, token)]]);
    for (const head of headNames(config)) {
      const [layer, number] = head.split(".").map(Number);
      brought.set(head, this.brings(this.headRow(layer, number, token), id, token));
    }
    for (let layer = 0; layer < config.n_layers; layer++) {
      brought.set(`${layer}.ffn`, this.brings(this.vector(`blocks.${layer}.ffn.output`, token), id, token));
    }
    if (config.bias) brought.set("bias", this.logitsAt(token)[id] - [...brought.values()].reduce((a, b) => a + b, 0));
    return brought;
  }
}
