/** A text as a model reads it: tokens, activations, surprise, and the true chances of stories. */

import { distribution } from "./sampling.js";
import { readStory } from "./stories.js";
import { logChance, surprises } from "./token_strip.js";
import { softmax } from "./engine.js";

const WORDLESS = /^[.,?]$|^<\|end\|>$|^Once$/; // what stands in a story without a space before it

/**
 * @typedef {{id: number, label: string, p: number, truth: number | null}} Expected  a token that may come
 *   next, the chance that the model gives it, and the true one where it is known
 */

export class Reading {
  /**
   * @param {import("./language_model.js").LanguageModel} model
   * @param {string} text
   * @param {any} words  the lists of the stories, if the model tells such stories
   */
  constructor(model, text, words) {
    const known = model.tokenizer.pattern ? text.trimEnd() : text; // a space belongs to the word after it
    Object.assign(this, { model, words, text: known, ...model.encode(known) });
    if (!this.ids.length) return;
    this.acts = model.trace(this.ids);
    this.logits = this.acts.logits.values;
    this.surprise = surprises(this.ids, this.logits, model.config.vocab_size);
  }

  /** The number of tokens, the begin token included. */
  get length() {
    return this.ids.length;
  }

  /** Logits (V) after the token at a position. */
  logitsAt(position) {
    const { vocab_size: V } = this.model.config;
    return this.logits.subarray(position * V, (position + 1) * V);
  }

  /** The token at a position as a word in a sentence. */
  word(position) {
    return this.model.word(this.ids[position]);
  }

  /** The token at a position with the space before it, to be read as a line of text. */
  spaced(position) {
    const label = this.model.label(this.ids[position]);
    return label.startsWith("␣") && label.length > 1 ? ` ${this.word(position)}` : this.word(position);
  }

  /** The text up to a position, the token there and all that was cut away before included. */
  textTo(position) {
    return this.model.decode([...this.left, ...this.ids.slice(0, position + 1)]);
  }

  /** What the process of the stories says after a position; null where there is no such process. */
  storyAt(position) {
    return this.words && !this.cut ? readStory(this.textTo(position), this.words) : null;
  }

  /** The true chance of each token after a position, by id, or null where no story goes on. */
  truthAt(position) {
    const next = this.storyAt(position)?.next;
    return next ? new Map([...next].map(([word, chance]) => [this.wordId(word), chance])) : null;
  }

  /** The token of a word of the stories. @param {string} word */
  wordId(word) {
    const text = WORDLESS.test(word) ? word : ` ${word}`;
    return this.model.tokenizer.encode(text)[0].id;
  }

  /**
   * The tokens that are most likely after a position, and the true ones among the next few.
   * @returns {Expected[]}
   */
  expectedAt(position, settings, count) {
    const truth = this.truthAt(position);
    const chances = distribution(this.logitsAt(position), settings);
    const weight = (id) => Math.max(chances[id], truth?.get(id) ?? 0);
    const order = Array.from(chances.keys()).filter((id) => weight(id) > 0).sort((a, b) => weight(b) - weight(a) || chances[b] - chances[a] || a - b);
    return order.slice(0, count).map((id) => ({
      id, label: this.model.word(id), p: chances[id], truth: truth ? (truth.get(id) ?? 0) : null,
    }));
  }

  /** How far the model is from the truth after a position: KL(truth ‖ model) in nats, or null. */
  distanceAt(position) {
    const truth = this.truthAt(position);
    if (!truth?.size) return null;
    const logits = this.logitsAt(position);
    return [...truth].reduce((sum, [id, p]) => sum + p * (Math.log(p) - logChance(logits, id)), 0);
  }

  /** What the model would say if it ended behind a block: the logit lens. @returns {Expected[]} */
  lensAt(layer, position, count) {
    const { transformer, config } = this.model;
    const { values } = this.acts[`blocks.${layer}.residual_post`];
    const x = values.slice(position * config.d_model, (position + 1) * config.d_model);
    const chances = softmax(transformer.unembed(transformer.finalNorm(x)));
    const order = Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a]);
    return order.slice(0, count).map((id) => ({ id, label: this.model.word(id), p: chances[id], truth: null }));
  }
}
