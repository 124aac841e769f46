/** Byte-pair encoding, the same ids as `llm/tokenization.py`. */

import { gunzip } from "./packed.js";

/** How Python's `regex` reads these classes; JavaScript's own `\s` is another set of characters. */
const CLASSES = {
  "\\s": "\\p{White_Space}",
  "\\S": "\\P{White_Space}",
  "\\d": "\\p{Nd}",
  "\\D": "\\P{Nd}",
};
const SPAN = 2 ** 26;

/**
 * @typedef {object} Token
 * @property {number | null} id
 * @property {Uint8Array} bytes
 * @property {number} word  index of the pre-token that it belongs to
 * @property {number | null} rank  the merge that made it; null for a single byte
 * @property {boolean} special
 */

/**
 * @typedef {object} Step
 * @property {number[]} pieces  ids after this step
 * @property {number | null} rank  the merge of this step; null before the first
 * @property {number[]} made  where in `pieces` it made a new one
 */

export class BPE {
  /**
   * @param {{pattern: string, specials: [string, number][]}} spec
   * @param {Uint32Array} table  256 ids of bytes, then left, right and new id of every merge
   */
  constructor({ pattern, specials }, table) {
    this.size = (table.length - 256) / 3;
    const column = (i) => table.subarray(256 + i * this.size, 256 + (i + 1) * this.size);
    [this.left, this.right, this.made] = [column(0), column(1), column(2)];
    this.byteIds = table.subarray(0, 256);
    this.ranks = new Map();
    this.origin = new Map();
    for (let rank = this.size - 1; rank >= 0; rank--) {
      this.ranks.set(this.left[rank] * SPAN + this.right[rank], rank);
      this.origin.set(this.made[rank], rank);
    }
    this.texts = new Map(Array.from(this.byteIds, (id, byte) => [id, Uint8Array.of(byte)]));
    this.cache = new Map();
    this.pattern = pretoken(pattern);
    this.specials = new Map(specials);
    this.splitter = splitter([...this.specials.keys()]);
  }

  /**
   * @param {string} text
   * @returns {Token[]}
   */
  encode(text) {
    return [...this.words(text)].flatMap((word, index) => {
      if (word.special) return [this.specialToken(word.text, index)];
      return this.encodeWord(word.text).map((id) => this.token(id, index));
    });
  }

  /** Ids of one pre-token. @param {string} word @returns {number[]} */
  encodeWord(word) {
    if (!this.cache.has(word)) {
      const ids = this.byteIdsOf(word);
      for (const _ of this.merges(ids));
      this.cache.set(word, ids.filter((id) => id >= 0));
    }
    return this.cache.get(word);
  }

  /** Cut a text into special tokens and pre-tokens. @param {string} text */
  *words(text) {
    for (const [i, part] of (this.splitter ? text.split(this.splitter) : [text]).entries()) {
      if (i % 2) yield { text: part, special: true };
      else for (const [word] of part.matchAll(this.pattern)) yield { text: word, special: false };
    }
  }

  /**
   * Every state of a pre-token from bytes to tokens; a step joins one pair wherever it stands.
   * @param {string} word
   * @returns {Step[]}
   */
  steps(word) {
    const steps = [{ pieces: this.byteIdsOf(word), rank: null, made: [] }];
    for (let rank = this.lowest(steps[0].pieces); rank !== null; rank = this.lowest(steps.at(-1).pieces)) {
      steps.push(this.join(steps.at(-1).pieces, rank));
    }
    return steps;
  }

  /** The lowest rank among neighbours, null when none of them merge. @param {number[]} pieces */
  lowest(pieces) {
    const ranks = pieces.map((id, i) => this.rank(id, pieces[i + 1])).filter((rank) => rank !== undefined);
    return ranks.length ? Math.min(...ranks) : null;
  }

  /** Join one pair wherever it stands, from left to right. @returns {Step} */
  join(pieces, rank) {
    const step = { pieces: [], rank, made: [] };
    for (let i = 0; i < pieces.length; i++) {
      const found = this.rank(pieces[i], pieces[i + 1]) === rank;
      if (found) step.made.push(step.pieces.length);
      step.pieces.push(found ? this.made[rank] : pieces[i]);
      if (found) i += 1;
    }
    return step;
  }

  /**
   * Merge `ids` in place, lowest rank first and among equals leftmost first. What a merge swallows
   * becomes -1. A heap finds the next merge, so a long word costs n log n.
   * @param {number[]} ids
   */
  *merges(ids) {
    const next = ids.map((_, i) => i + 1);
    const previous = ids.map((_, i) => i - 1);
    const rankAt = (i) => this.rank(ids[i], ids[next[i]]);
    const heap = new Heap();
    const offer = (i) => i >= 0 && rankAt(i) !== undefined && heap.push(rankAt(i) * SPAN + i);
    ids.forEach((_, i) => offer(i));
    while (heap.items.length) {
      const entry = heap.pop();
      const [rank, position] = [Math.floor(entry / SPAN), entry % SPAN];
      if (rankAt(position) !== rank) continue; // one of the two was merged since
      const swallowed = next[position];
      next[position] = next[swallowed];
      previous[next[position]] = position;
      ids[position] = this.made[rank];
      ids[swallowed] = -1;
      yield { rank, position };
      offer(position);
      offer(previous[position]);
    }
  }

  /** Rank of a pair of ids, undefined when it was never learned. */
  rank(left, right) {
    return this.ranks.get(left * SPAN + right);
  }

  /** Bytes that an id stands for. @param {number} id @returns {Uint8Array} */
  bytes(id) {
    if (!this.texts.has(id)) {
      const rank = this.origin.get(id);
      const parts = [this.bytes(this.left[rank]), this.bytes(this.right[rank])];
      this.texts.set(id, Uint8Array.of(...parts[0], ...parts[1]));
    }
    return this.texts.get(id);
  }

  /** @returns {Token} */
  token(id, word) {
    return { id, bytes: this.bytes(id), word, rank: this.origin.get(id) ?? null, special: false };
  }

  /** @returns {Token} */
  specialToken(text, word) {
    const bytes = new TextEncoder().encode(text);
    return { id: this.specials.get(text), bytes, word, rank: null, special: true };
  }

  byteIdsOf(word) {
    return Array.from(new TextEncoder().encode(word), (byte) => this.byteIds[byte]);
  }
}

/** A binary heap of numbers, smallest first. */
class Heap {
  items = [];

  push(value) {
    const { items } = this;
    let i = items.push(value) - 1;
    for (let up = (i - 1) >> 1; i > 0 && items[up] > value; up = (i - 1) >> 1) {
      items[i] = items[up];
      i = up;
    }
    items[i] = value;
  }

  pop() {
    const { items } = this;
    const [top, last] = [items[0], items.pop()];
    if (!items.length) return top;
    let i = 0;
    for (let child = 1; child < items.length; child = 2 * i + 1) {
      if (child + 1 < items.length && items[child + 1] < items[child]) child += 1;
      if (items[child] >= last) break;
      items[i] = items[child];
      i = child;
    }
    items[i] = last;
    return top;
  }
}

/** A pre-tokenizer; a character that its pattern skips stands alone. @param {string} pattern */
function pretoken(pattern) {
  const translated = pattern.replace(/\\./gs, (part) => CLASSES[part] ?? part);
  return new RegExp(`${translated}|[^]`, "gu");
}

/** A pattern that cuts out special tokens, longest first. @param {string[]} specials */
function splitter(specials) {
  const longest = specials.sort((a, b) => b.length - a.length);
  const escaped = longest.map((text) => text.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&"));
  return escaped.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
}

/**
 * Numbers packed by Python: base64 of gzip of the four bytes of each number, plane by plane.
 * @param {string} base64
 * @returns {Promise<Uint32Array>}
 */
export async function unpack(base64) {
  const planes = new Uint8Array(await (await gunzip(base64)).arrayBuffer());
  const n = planes.length / 4;
  const byte = (i, plane) => planes[plane * n + i] * 256 ** plane;
  return Uint32Array.from({ length: n }, (_, i) => byte(i, 0) + byte(i, 1) + byte(i, 2) + byte(i, 3));
}
