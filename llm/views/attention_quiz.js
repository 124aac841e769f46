/** A question before a head goes off: which word will the model then put first? */

import { isolate } from "./parts.js";
import { softmax } from "./engine.js";
import { atOnce, bare, headName, strongestIds } from "./attention_reading.js";
import { Prediction } from "./predict.js";

const CHOICES = 4;
const PAUSE = 250; // milliseconds without a change before the answer is worked out

export class AttentionQuiz {
  /** @param {import("./frame.js").Frame} frame @param {() => void} reveal  switches the head off */
  constructor(frame, reveal) {
    Object.assign(this, { frame, reveal });
    this.prediction = new Prediction(frame, "quiz");
    this.element = this.prediction.element;
    this.element.hidden = true;
  }

  /** Ask about a head that is on; the verdict of the last answer stays while its head is off. */
  ask(reading, at, off, before) {
    const asked = headName(at);
    if (this.reading === reading && this.asked === asked && (this.verdict || !off.length) && off.length < 2) return;
    clearTimeout(this.timer);
    Object.assign(this, { reading, asked, verdict: false });
    this.element.hidden = true;
    if (!off.length) this.timer = setTimeout(() => this.put(reading, { ...at }, before), PAUSE);
  }

  put(reading, at, before) {
    const after = softmax(reading.last(atOnce(reading.without([at]))));
    const [likely, later] = [before, after].map((chances) => strongestIds(chances, CHOICES));
    const [first, answer] = [likely[0], later[0]];
    const others = [...new Set([answer, ...later, ...likely])].filter((id) => id !== first).slice(0, CHOICES - 1);
    const ids = [first, ...others.sort((a, b) => a - b)];
    const word = (id) => isolate(bare(reading.model.label(id)));
    const name = (id) => (id === first ? this.frame.t("stays", { token: word(id) }) : word(id));
    this.prediction.ask(this.frame.t("quiz", { head: headName(at) }), ids.map(name), (i) => this.answer(ids, ids[i], answer, name));
    this.element.hidden = false;
  }

  answer(ids, guess, answer, name) {
    this.verdict = true;
    this.prediction.close(ids.indexOf(answer));
    this.prediction.say(this.frame.t(guess === answer ? "right" : "wrong", { guess: name(guess), answer: name(answer) }));
    this.reveal();
  }
}
