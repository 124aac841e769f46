/** What a model costs, worked out from its sizes: parameters, operations, bytes. As `llm.scaling`. */

/** A config so many times twice as wide and as deep, with places for the text. */
export function resizedConfig(config, wide, deep, tokens) {
  const times = (value, power) => Math.max(1, Math.floor(value * 2 ** power));
  return {
    ...config, d_model: times(config.d_model, wide), d_ff: times(config.d_ff, wide),
    n_heads: times(config.n_heads, wide), n_kv_heads: times(config.n_kv_heads, wide),
    n_layers: times(config.n_layers, deep), max_seq_len: Math.max(config.max_seq_len, tokens),
  };
}

/** Parameters by term; a tied head counts 0. */
export function parameterTerms({ vocab_size: V, max_seq_len, d_model: d, n_layers: L, n_heads, n_kv_heads, head_dim, d_ff, position, norm, ffn, bias, tie_embeddings }) {
  const [queries, keys] = [n_heads * head_dim, n_kv_heads * head_dim];
  const ups = ffn === "swiglu" ? 2 : 1;
  const one = bias ? 1 : 0;
  return {
    tokens: V * d,
    positions: position === "learned" ? max_seq_len * d : 0,
    attention: L * (d * (2 * queries + 2 * keys) + one * (queries + 2 * keys + d)),
    ffn: L * ((ups + 1) * d * d_ff + one * (ups * d_ff + d)),
    norms: (2 * L + 1) * d * (norm === "layernorm" && bias ? 2 : 1),
    head: tie_embeddings ? 0 : V * d,
  };
}

/** Operations a token by term, in a text of `T` tokens, all T² pairs counted. */
export function operationTerms({ vocab_size, d_model: d, n_layers: L, n_heads, n_kv_heads, head_dim, d_ff, ffn }, T) {
  const [queries, keys] = [n_heads * head_dim, n_kv_heads * head_dim];
  return {
    projections: 2 * L * d * (2 * queries + 2 * keys), scores: 4 * L * T * queries,
    ffn: 2 * L * (ffn === "swiglu" ? 3 : 2) * d * d_ff, head: 2 * d * vocab_size,
  };
}

/** Bytes: to run at 2 bytes a number, the cache of the text, and weights, gradients and averages of AdamW. */
export function memoryTerms(config, T) {
  const n = sumOf(parameterTerms(config));
  return { run: 2 * n, cache: 4 * config.n_layers * config.n_kv_heads * config.head_dim * T, train: 16 * n };
}

/** @param {Record<string, number>} terms */
export function sumOf(terms) {
  return Object.values(terms).reduce((sum, value) => sum + value, 0);
}
