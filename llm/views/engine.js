/** The whole model in one page: the arithmetic of `llm/model.py` on plain arrays of numbers. */

/**
 * @typedef {Float32Array | Float64Array} Numbers  of one shape, the last dimension lying together
 * @typedef {{values: Numbers, shape: number[]}} Tensor
 * @typedef {(values: Numbers, shape: number[]) => void} Edit  changes an activation in place
 */

const ERF = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];

/** A decoder-only transformer. Letters for shapes: T new tokens, S all tokens, C, H, D, V. */
export class Transformer {
  /**
   * @param {Record<string, any>} config  that of `llm.ModelConfig`
   * @param {Record<string, Tensor>} weights  by the names that PyTorch gives them
   */
  constructor(config, weights) {
    Object.assign(this, { config, weights });
  }

  /**
   * Logits (T, V) for new tokens, which continue those that the cache holds.
   * @param {number[]} ids
   * @param {{cache?: Cache, acts?: Record<string, Tensor>, edits?: Record<string, Edit>}} [options]
   *   `acts` is filled with every named activation, `edits` change some; the names are those of
   *   `llm.trace`.
   */
  forward(ids, { cache = new Cache(), acts, edits = {} } = {}) {
    const { d_model: C, n_layers, vocab_size: V, max_seq_len } = this.config;
    const [T, past] = [ids.length, cache.length];
    if (past + T > max_seq_len) throw new RangeError(`${past + T} tokens exceed max_seq_len=${max_seq_len}`);
    const look = watcher(acts, edits);
    let x = look("embeddings", this.embed(ids, past), [T, C]);
    for (let layer = 0; layer < n_layers; layer++) x = this.block(`blocks.${layer}`, x, cache, look);
    cache.length = past + T;
    x = look("final_norm", this.finalNorm(x), [T, C]);
    return look("logits", this.unembed(x), [T, V]);
  }

  /** The norm before the head; a model that norms after each sublayer has none. */
  finalNorm(x) {
    return this.config.norm_position === "pre" ? this.norm("final_norm", x) : x;
  }

  /** Logits of each row: (T, C) -> (T, V), by the head or, where it is tied, the token table. */
  unembed(x) {
    return linear(x, this.weights["lm_head.weight"] ?? this.weights["embeddings.token.weight"]);
  }

  /** A row of the token table for each token, plus a row for its position where there is one. */
  embed(ids, past) {
    const { d_model: C, scale_embeddings } = this.config;
    const table = this.weights["embeddings.token.weight"].values;
    const factor = scale_embeddings ? Math.sqrt(C) : 1;
    const x = new Float64Array(ids.length * C);
    ids.forEach((id, t) => {
      for (let c = 0; c < C; c++) x[t * C + c] = table[id * C + c] * factor + this.position(past + t, c);
    });
    return x;
  }

  /** Feature `c` of what is added for a position; RoPE adds nothing here. */
  position(p, c) {
    const { position, d_model: C } = this.config;
    if (position === "learned") return this.weights["embeddings.position.weight"].values[p * C + c];
    if (position !== "sinusoidal") return 0;
    const angle = p / 10000 ** ((c - (c % 2)) / C);
    return c % 2 ? Math.cos(angle) : Math.sin(angle);
  }

  /** One layer: what attention and what the feed-forward network find is added to the stream x (T, C). */
  block(name, x, cache, look) {
    const shape = [x.length / this.config.d_model, this.config.d_model];
    const attention = (y) => this.attention(`${name}.attention`, y, cache, look);
    const ffn = (y) => look(`${name}.ffn.output`, this.feedForward(`${name}.ffn`, y, look), shape);
    x = look(`${name}.residual_pre`, x, shape);
    x = look(`${name}.residual_mid`, this.add(x, `${name}.attention_norm`, attention), shape);
    return look(`${name}.residual_post`, this.add(x, `${name}.ffn_norm`, ffn), shape);
  }

  /** x + f(norm(x)), or norm(x + f(x)) where the norm stands after. */
  add(x, norm, f) {
    if (this.config.norm_position === "pre") return sum(x, f(this.norm(norm, x)));
    return this.norm(norm, sum(x, f(x)));
  }

  /** Queries look for keys; each position gathers the values of those that it may see. */
  attention(name, x, cache, look) {
    const { n_heads: H, n_kv_heads, head_dim: D, d_model: C } = this.config;
    const [T, past] = [x.length / C, cache.length];
    const q = this.turned(`${name}.q`, x, past); // (T, H·D)
    const [keys, values] = cache.update(name, this.turned(`${name}.k`, x, past), this.linear(`${name}.v_proj`, x), this.config);
    const heads = (part, rows, n) => lookAtHeads(look, `${name}.${part}`, rows, n, D);
    const seen = { q: heads("q", q, H), k: heads("k", keys, n_kv_heads), v: heads("v", values, n_kv_heads) };
    const S = past + T;
    const scores = look(`${name}.scores`, this.scores(seen, T, S, look.looking), [H, T, S]);
    const weights = look(`${name}.weights`, this.softmax(scores, T, S), [H, T, S]);
    return look(`${name}.output`, this.linear(`${name}.out_proj`, this.gather(weights, seen.v, T, S)), [T, C]);
  }

  /** Queries or keys (T, heads·D), each head turned by its positions. */
  turned(name, x, past) {
    const { qk_norm, head_dim: D, d_model: C } = this.config;
    const projected = this.linear(`${name}_proj`, x);
    const T = x.length / C;
    return this.rotate(qk_norm ? this.norm(`${name}_norm`, projected, "rmsnorm") : projected, projected.length / T / D, past);
  }

  /** How well each query matches each key (H, T, S); keys ahead only if somebody looks. */
  scores({ q, k }, T, S, looking) {
    const { n_heads: H, n_kv_heads: G, head_dim: D, position, max_seq_len } = this.config;
    const bias = this.weights.position_bias?.values; // (H, max_seq_len), by distance: ALiBi and T5's
    const scores = new Float64Array(H * T * S);
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H); // heads of a group share their keys and values
      for (let t = 0; t < T; t++) {
        const self = S - T + t;
        for (let s = 0; s < (looking ? S : self + 1); s++) {
          const score = dot(q, (t * H + h) * D, k, (s * G + g) * D, D) / Math.sqrt(D);
          const distance = position === "alibi" ? Math.abs(self - s) : Math.max(0, self - s);
          scores[(h * T + t) * S + s] = score + (bias ? bias[h * max_seq_len + distance] : 0);
        }
      }
    }
    return scores;
  }

  /** Each row of scores as weights that add up to 1 over the tokens up to itself: the causal mask. */
  softmax(scores, T, S) {
    const window = this.config.attention_window ?? Infinity;
    const weights = new Float64Array(scores.length);
    for (let row = 0; row < scores.length / S; row++) {
      const self = S - T + (row % T);
      const first = Math.max(0, self - window + 1);
      const seen = softmax(scores.subarray(row * S + first, row * S + self + 1));
      weights.set(seen, row * S + first);
    }
    return weights;
  }

  /** Each head's mean of the values, by its weights; heads side by side: (T, H·D). */
  gather(weights, v, T, S) {
    const { n_heads: H, n_kv_heads: G, head_dim: D } = this.config;
    const out = new Float64Array(T * H * D);
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H);
      for (let t = 0; t < T; t++) {
        const at = (t * H + h) * D;
        for (let s = 0; s < S; s++) {
          const weight = weights[(h * T + t) * S + s];
          if (weight === 0) continue; // a masked key
          for (let d = 0; d < D; d++) out[at + d] += weight * v[(s * G + g) * D + d];
        }
      }
    }
    return out;
  }

  /** RoPE: turn each pair of features of x (T, heads·D) by an angle that grows with the position. */
  rotate(x, heads, past) {
    const { position, head_dim: D, rope_theta, rope_layout } = this.config;
    if (position !== "rope") return x;
    const T = x.length / heads / D;
    const [step, apart] = rope_layout === "half" ? [1, D / 2] : [2, 1];
    const turned = new Float64Array(x.length);
    for (let i = 0; i < D / 2; i++) {
      const frequency = rope_theta ** ((-2 * i) / D);
      for (let t = 0; t < T; t++) {
        const [cos, sin] = [Math.cos((past + t) * frequency), Math.sin((past + t) * frequency)];
        for (let h = 0; h < heads; h++) {
          const a = (t * heads + h) * D + i * step;
          const b = a + apart;
          turned[a] = x[a] * cos - x[b] * sin;
          turned[b] = x[a] * sin + x[b] * cos;
        }
      }
    }
    return turned;
  }

  /** Widen, bend, narrow: each position alone, (T, C) -> (T, d_ff) -> (T, C). */
  feedForward(name, x, look) {
    const up = this.linear(`${name}.up_proj`, x);
    const gate = this.config.ffn === "swiglu" ? this.linear(`${name}.gate_proj`, x) : up;
    const bend = ACTIVATIONS[this.config.ffn];
    const hidden = up.map((value, i) => bend(gate[i], value));
    return this.linear(`${name}.down_proj`, look(`${name}.hidden`, hidden, [x.length / this.config.d_model, this.config.d_ff]));
  }

  /** x W^T + b, the weights being those of a layer by its name. */
  linear(name, x) {
    return linear(x, this.weights[`${name}.weight`], this.weights[`${name}.bias`]);
  }

  /** LayerNorm or RMSNorm of each row. */
  norm(name, x, kind = this.config.norm) {
    const { values: weight } = this.weights[`${name}.weight`];
    const bias = this.weights[`${name}.bias`]?.values;
    const n = weight.length;
    const out = new Float64Array(x.length);
    for (let start = 0; start < x.length; start += n) {
      const row = x.subarray(start, start + n);
      const mean = kind === "layernorm" ? row.reduce((total, value) => total + value, 0) / n : 0;
      const square = row.reduce((total, value) => total + (value - mean) ** 2, 0) / n;
      const scale = 1 / Math.sqrt(square + this.config.norm_eps);
      for (let c = 0; c < n; c++) out[start + c] = (row[c] - mean) * scale * weight[c] + (bias ? bias[c] : 0);
    }
    return out;
  }
}

/** The keys and values of the tokens read so far, so that they need not be read again. */
export class Cache {
  length = 0;
  layers = {};

  /** Append k and v (T, heads·D) to a layer; return all of it, (S, heads·D). */
  update(layer, k, v, { max_seq_len, n_kv_heads, head_dim }) {
    const width = n_kv_heads * head_dim;
    const room = () => new Float64Array(max_seq_len * width);
    this.layers[layer] ??= [room(), room()];
    return [k, v].map((rows, i) => {
      this.layers[layer][i].set(rows, this.length * width);
      return this.layers[layer][i].subarray(0, this.length * width + rows.length);
    });
  }
}

/** What bends in a feed-forward network, of its gate and of what the gate lets through. */
const ACTIVATIONS = {
  relu: (x) => Math.max(0, x),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  swiglu: (gate, x) => (gate / (1 + Math.exp(-gate))) * x,
};

/** The error function, to 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ERF.reduceRight((total, factor) => (total + factor) * t, 0);
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

/** Products of each row of x (T, k) with each row of a matrix (n, k), plus a bias: (T, n). */
function linear(x, { values: w, shape: [n, k] }, bias) {
  const T = x.length / k;
  const out = new Float64Array(T * n);
  const whole = n - (n % 4);
  for (let row = 0; row < whole; row += 4) { // four rows at a time use each number of x four times
    const [r0, r1, r2, r3] = [row * k, (row + 1) * k, (row + 2) * k, (row + 3) * k];
    for (let t = 0; t < T; t++) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let j = 0, at = t * k; j < k; j++, at++) {
        const value = x[at];
        s0 += w[r0 + j] * value;
        s1 += w[r1 + j] * value;
        s2 += w[r2 + j] * value;
        s3 += w[r3 + j] * value;
      }
      const at = t * n + row;
      out[at] = s0; out[at + 1] = s1; out[at + 2] = s2; out[at + 3] = s3;
    }
  }
  for (let row = whole; row < n; row++) {
    for (let t = 0; t < T; t++) out[t * n + row] = dot(w, row * k, x, t * k, k);
  }
  return bias ? out.map((value, i) => value + bias.values[i % n]) : out;
}

/** The product of n numbers of a, from i on, with n of b, from j on. */
function dot(a, i, b, j, n) {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0; // four sums, which the processor adds up side by side
  const end = i + n - (n % 4);
  for (; i < end; i += 4, j += 4) {
    s0 += a[i] * b[j];
    s1 += a[i + 1] * b[j + 1];
    s2 += a[i + 2] * b[j + 2];
    s3 += a[i + 3] * b[j + 3];
  }
  for (let rest = n % 4; rest > 0; rest--) s0 += a[i++] * b[j++];
  return s0 + s1 + s2 + s3;
}

/** Scores as weights that add up to 1: exp(x) over the sum, the greatest taken off before. */
export function softmax(scores) {
  let most = -Infinity;
  for (const score of scores) most = Math.max(most, score);
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let i = 0; i < scores.length; i++) total += weights[i] = Math.exp(scores[i] - most);
  for (let i = 0; i < scores.length; i++) weights[i] /= total;
  return weights;
}

function sum(x, y) {
  return x.map((value, i) => value + y[i]);
}

/** What records activations and edits them on their way; its `looking` says whether it does. */
function watcher(acts, edits) {
  const look = (name, values, shape) => {
    const edit = edits[name];
    if (edit) edit((values = values.slice()), shape);
    if (acts) acts[name] = { values, shape };
    return values;
  };
  return Object.assign(look, { looking: Boolean(acts) || Object.keys(edits).length > 0 });
}

/** Rows (S, heads·D) are looked at head by head, as (heads, S, D). */
function lookAtHeads(look, name, rows, heads, D) {
  if (!look.looking) return rows;
  const S = rows.length / heads / D;
  return swap(look(name, swap(rows, S, heads, D), [heads, S, D]), heads, S, D);
}

/** (n, m, D) -> (m, n, D) */
function swap(x, n, m, D) {
  const out = new Float64Array(x.length);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) out.set(x.subarray((i * m + j) * D, (i * m + j + 1) * D), (j * n + i) * D);
  }
  return out;
}
