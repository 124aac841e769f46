/** A text as the heads of a model read it: the numbers of every step, and the text without some heads. */

import { Cache } from "./engine.js";
import { Reading } from "./reading.js";
import { logChance } from "./token_strip.js";

/** @typedef {{layer: number, head: number}} Head */

export class HeadReading extends Reading {
  /** An activation of attention as it was recorded, with its shape. */
  act({ layer }, part) {
    return this.acts[`blocks.${layer}.attention.${part}`];
  }

  /** The head of keys and values that a head uses: several may share one. @param {Head} at */
  group({ head }) {
    const { n_heads, n_kv_heads } = this.model.config;
    return Math.floor((head * n_kv_heads) / n_heads);
  }

  /** Vector (D) of a token: its q, k or v. @param {Head} at @param {"q" | "k" | "v"} part */
  vector(at, part, token) {
    const { values, shape: [, T, D] } = this.act(at, part);
    const start = ((part === "q" ? at.head : this.group(at)) * T + token) * D;
    return values.subarray(start, start + D);
  }

  /** q · k before anything else is done with it. @param {Head} at */
  product(at, query, key) {
    const [q, k] = [this.vector(at, "q", query), this.vector(at, "k", key)];
    return q.reduce((sum, value, d) => sum + value * k[d], 0);
  }

  /** What the softmax is given: scaled, and with a bias for the distance where there is one. @param {Head} at */
  score(at, query, key) {
    return this.act(at, "scores").values[(at.head * this.length + query) * this.length + key];
  }

  /** @param {Head} at */
  weight(at, query, key) {
    return this.act(at, "weights").values[(at.head * this.length + query) * this.length + key];
  }

  /** Whether a query may look at a key. */
  open(query, key) {
    return key <= query && query - key < (this.model.config.attention_window ?? Infinity);
  }

  /** The keys that a query may look at, in the order of the text. */
  keys(query) {
    return this.ids.map((_, key) => key).filter((key) => this.open(query, key));
  }

  /** The key that a query looks at most. @param {Head} at */
  strongest(at, query) {
    return this.keys(query).reduce((best, key) => (this.weight(at, query, key) > this.weight(at, query, best) ? key : best));
  }

  /** What the head hands on (D): the values, each times its weight. @param {Head} at */
  output(at, query) {
    const sum = new Float64Array(this.model.config.head_dim);
    for (const key of this.keys(query)) {
      this.vector(at, "v", key).forEach((value, d) => (sum[d] += this.weight(at, query, key) * value));
    }
    return sum;
  }

  /** A token for a sentence. @param {number} token  its position */
  word(token) {
    return bare(this.model.label(this.ids[token]));
  }

  /**
   * Logits (T, V) of the text without some heads. Stops after each block, so that others get a turn.
   * @param {Head[]} heads  at least one
   */
  *without(heads) {
    const { transformer, config } = this.model;
    const first = Math.min(...heads.map(({ layer }) => layer));
    const look = (name, values, [, T, S] = []) => {
      for (const { layer, head } of heads) {
        if (name === `blocks.${layer}.attention.weights`) values.fill(0, head * T * S, (head + 1) * T * S);
      }
      return values;
    };
    const silent = Object.assign(look, { looking: false });
    const cache = new Cache();
    let x = this.acts[`blocks.${first}.residual_pre`].values;
    for (let layer = first; layer < config.n_layers; layer++) {
      x = transformer.block(`blocks.${layer}`, x, cache, silent);
      yield;
    }
    return transformer.unembed(transformer.finalNorm(x));
  }

  /** Mean loss of the tokens after the first, in nats, by some logits (T, V). */
  loss(logits) {
    const { vocab_size: V } = this.model.config;
    const losses = this.ids.slice(1).map((id, t) => -logChance(logits.subarray(t * V, (t + 1) * V), id));
    return losses.reduce((a, b) => a + b, 0) / losses.length;
  }

  /** Of some logits (T, V) those of the next token. */
  last(logits) {
    return logits.subarray(-this.model.config.vocab_size);
  }
}

/** The result of a generator, without a pause. */
export function atOnce(steps) {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** Ids with the greatest chances, the greatest first. @param {Float64Array} chances @param {number} count */
export function strongestIds(chances, count) {
  return Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a] || a - b).slice(0, count);
}

/** A number with three places, as it is shown. @param {number} value */
export function decimal(value, places = 3) {
  const text = value.toFixed(places);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** A token's label without the sign for the space before a word. @param {string} label */
export function bare(label) {
  return label.replace(/^␣(?=.)/, "");
}

/** A head as it is named: layer.head. @param {Head} at */
export function headName({ layer, head }) {
  return `${layer}.${head}`;
}
