/** A model with its tokenizer, as Python has packed them: `language_model.py`. */

import { BPE, unpack } from "./bpe.js";
import { Cache, Transformer } from "./engine.js";
import { gunzip } from "./packed.js";
import { Characters, visible } from "./token_text.js";

const BEGIN = "<|begin|>";

/**
 * What Python says of a model; its weights and merges are shared files.
 * @typedef {{name: string, file: string, config: object, tensors: [string, number[], string][],
 *   tokenizer: {table?: string, pattern?: string, specials?: [string, number][], ids?: Record<string, number>}}} ModelSpec
 */

/** Load a model when it is wanted. @param {import("./frame.js").Frame} frame @param {ModelSpec} spec */
export async function loadModel(frame, spec) {
  const packed = new Uint8Array(await (await gunzip(await frame.load(spec.file))).arrayBuffer());
  const tokenizer = spec.tokenizer.table
    ? new BPE(spec.tokenizer, await unpack(await frame.load(spec.tokenizer.table)))
    : new Characters(spec.tokenizer);
  return new LanguageModel(spec, new Transformer(spec.config, unpackWeights(spec.tensors, packed)), tokenizer);
}

/** Text in, logits out: remembers what it has read, so that a longer text costs only its end. */
export class LanguageModel {
  /** @param {ModelSpec} spec @param {Transformer} transformer @param {BPE | Characters} tokenizer */
  constructor(spec, transformer, tokenizer) {
    Object.assign(this, { spec, transformer, tokenizer });
    this.name = spec.name;
    this.config = spec.config;
    const specials = new Map(spec.tokenizer.specials);
    this.begin = specials.get(BEGIN) ?? null;
    this.special = new Map([...specials].map(([text, id]) => [id, text]));
    this.letters = new Map(Object.entries(spec.tokenizer.ids ?? {}).map(([letter, id]) => [id, letter]));
  }

  /**
   * Tokens of a text, behind the begin token where there is one. What is not in the vocabulary is
   * left out and told apart; of a text that is too long only the end is read.
   * @param {string} text
   * @returns {{ids: number[], unknown: string[], left: number[], cut: number}}  `left` are the tokens
   *   that are left out, `cut` is their number
   */
  encode(text) {
    const tokens = this.tokenizer.encode(text);
    const known = tokens.filter(({ id }) => id !== null).map(({ id }) => id);
    const unknown = tokens.filter(({ id }) => id === null).map(({ bytes }) => new TextDecoder().decode(bytes));
    const start = this.begin === null ? [] : [this.begin];
    const room = this.config.max_seq_len - start.length;
    const cut = Math.max(0, known.length - room);
    return { ids: [...start, ...known.slice(cut)], unknown: [...new Set(unknown)], left: known.slice(0, cut), cut };
  }

  /** The bytes that a token stands for. @param {number} id @returns {Uint8Array} */
  bytes(id) {
    return this.special.has(id) || this.letters.size
      ? new TextEncoder().encode(this.special.get(id) ?? this.letters.get(id) ?? "")
      : this.tokenizer.bytes(id);
  }

  /** The text of some tokens, special ones left out. @param {number[]} ids */
  decode(ids) {
    const bytes = ids.filter((id) => !this.special.has(id)).flatMap((id) => [...this.bytes(id)]);
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  /** A token with a sign for each character that could not be seen. @param {number} id */
  label(id) {
    return visible(new TextDecoder().decode(this.bytes(id)));
  }

  /** A token as a word in a sentence: without the space before it, special ones without signs. */
  word(id) {
    const special = this.special.get(id);
    return special ? special.replace(/^<\||\|>$/g, "") : this.label(id).replace(/^␣(?=.)/u, "");
  }

  /**
   * Every activation and the logits (T, V) of a text.
   * @param {number[]} ids
   * @param {Record<string, import("./engine.js").Edit>} [edits]
   */
  trace(ids, edits = {}) {
    const acts = {};
    this.transformer.forward(ids, { acts, edits });
    return acts;
  }

  /** Logits (V) after some tokens; what the last text has in common with them is not read again. */
  next(ids) {
    const same = this.read?.every((id, i) => id === ids[i]) && this.read.length < ids.length;
    if (!same) Object.assign(this, { read: [], cache: new Cache() });
    const logits = this.transformer.forward(ids.slice(this.read.length), { cache: this.cache });
    this.read = [...ids];
    return logits.slice(-this.config.vocab_size);
  }
}

/** Weights by name, from the bytes of all of them. @param {[string, number[], string][]} tensors */
export function unpackWeights(tensors, packed) {
  let start = 0;
  const take = (length) => packed.slice(start, (start += length));
  return Object.fromEntries(tensors.map(([name, shape, kind]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { values: READERS[kind](take, size, shape[0]), shape }];
  }));
}

/** How numbers are packed: single, half, or eight bits with a scale for each row. */
const READERS = {
  f4: (take, size) => new Float32Array(take(4 * size).buffer),
  f2: (take, size) => {
    const [low, high] = [take(size), take(size)];
    return filled(size, (i) => halves[high[i] * 256 + low[i]]);
  },
  i1: (take, size, rows) => {
    const scales = new Float32Array(take(4 * rows).buffer);
    const whole = new Int8Array(take(size).buffer);
    return filled(size, (i) => whole[i] * scales[Math.floor((i * rows) / size)]);
  },
};

function filled(size, value) {
  const numbers = new Float32Array(size);
  for (let i = 0; i < size; i++) numbers[i] = value(i);
  return numbers;
}

const halves = filled(2 ** 16, half);

/** A number of 16 bits (IEEE 754): sign, 5 bits of exponent, 10 of fraction. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
