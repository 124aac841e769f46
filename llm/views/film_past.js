/** The model at past moments of its training: loaded one after another, its text read in slices. */

import { Cache } from "./engine.js";
import { Reading } from "./reading.js";
import { loadModel } from "./language_model.js";
import { surprises } from "./token_strip.js";

const AT_ONCE = 12; // tokens that are read at once
const GOES_ON = 12; // tokens that a model adds

/** Let the page answer. */
export function breath() {
  return new Promise((go) => setTimeout(go));
}

/** A reading that never holds up the page, and that goes on with the text. */
export class PastReading extends Reading {
  /** @param {import("./language_model.js").LanguageModel} model @param {any} words */
  constructor(model, words) {
    super(model, "", words);
  }

  /** Read a text. @param {string} text @param {() => boolean} stale  whether nobody wants it now */
  async read(text, stale) {
    const known = text.trimEnd(); // a space belongs to the word after it
    Object.assign(this, { text: known, ...this.model.encode(known) });
    const { vocab_size: V } = this.model.config;
    const cache = new Cache();
    this.logits = new Float32Array(this.length * V);
    for (let at = 0; at < this.length && !stale(); at += AT_ONCE) {
      this.logits.set(this.model.transformer.forward(this.ids.slice(at, at + AT_ONCE), { cache }), at * V);
      await breath();
    }
    this.surprise = surprises(this.ids, this.logits, V);
    await this.goOn(cache, stale);
  }

  /** The tokens that the model itself would add: each time the likeliest, until the end or a dozen. */
  async goOn(cache, stale) {
    const { transformer, config, special } = this.model;
    this.added = [];
    let logits = this.logitsAt(this.length - 1);
    while (this.added.length < GOES_ON && !special.has(this.added.at(-1)) && !stale()) {
      this.added.push(logits.indexOf(Math.max(...logits)));
      if (cache.length === config.max_seq_len) return;
      logits = transformer.forward(this.added.slice(-1), { cache });
      await breath();
    }
  }

  /** The mean surprise of the text's tokens, in nats; null without any. */
  get mean() {
    const known = this.surprise.slice(1);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  }
}

export class PastModels {
  /** @param {import("./frame.js").Frame} frame @param {any} past  what Python's `PastModels.spec` gives */
  constructor(frame, past) {
    Object.assign(this, { frame, past, steps: past.steps });
    this.words = JSON.parse(past.words);
    this.models = new Map(); // by step: a model, or null if it could not be had
  }

  spec(step) {
    const { model, tensors, steps } = this.past;
    const file = `${model.file}-${step}`;
    return step === steps.at(-1) ? model : { ...model, name: `${model.name}@${step}`, file, tensors };
  }

  /** The steps whose models are not here. */
  get missing() {
    return this.steps.filter((step) => !this.models.get(step));
  }

  /**
   * Load what is missing, one after another.
   * @param {{before: (step: number) => void, after: (step: number) => Promise<void>}} tell
   */
  async load({ before, after }) {
    for (const step of this.missing) {
      before(step);
      this.models.set(step, await this.loaded(step));
      await after(step);
    }
  }

  async loaded(step) {
    try {
      return await loadModel(this.frame, this.spec(step));
    } catch (error) {
      console.error(error);
      return null;
    }
  }

  /** What the model of a step makes of a text. @param {number} step @param {string} text */
  async read(step, text, stale) {
    const reading = new PastReading(this.models.get(step), this.words);
    await breath();
    await reading.read(text, stale);
    return reading;
  }
}
