/** A question before the film: which kind of word does the model learn last? */

import { Prediction } from "./predict.js";

const CHOICES = 4;
export const KNOWN = 0.9; // share of right first choices from which a kind of word counts as known

export class KnownLast {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.prediction = new Prediction(frame, "quiz");
    this.element = this.prediction.element;
  }

  /** Ask about a film, once. @param {any} film */
  ask(film) {
    const shown = spread(learned(film)).toSorted((a, b) => a.name.localeCompare(b.name));
    this.element.hidden = shown.length < 2;
    if (film === this.film) return;
    this.film = film;
    const names = shown.map((kind) => this.name(kind));
    this.prediction.ask(this.frame.t("quiz"), names, (guess) => this.answer(guess, shown));
  }

  /** @param {number} guess  which of the kinds that were shown */
  answer(guess, shown) {
    const { frame } = this;
    const last = shown.reduce((a, b) => (b.step > a.step ? b : a));
    const order = shown.toSorted((a, b) => a.step - b.step).map((kind) => `${this.name(kind)} ${kind.step}`).join(", ");
    const names = { guess: this.name(shown[guess]), answer: this.name(last) };
    const verdict = frame.t(shown[guess] === last ? "right" : "wrong", names);
    this.prediction.close(shown.indexOf(last));
    this.prediction.say(`${verdict} ${frame.t("quiz_order", { order })}`);
  }

  name({ name }) {
    return this.frame.named("kind", name);
  }
}

/** Each kind that is known at the end, with the step from which it stayed so. */
function learned({ moments }) {
  return Object.keys(moments[0].kinds).flatMap((name) => {
    const shares = moments.map(({ kinds }) => kinds[name]?.[0] ?? 0);
    const from = shares.findLastIndex((share) => share < KNOWN) + 1;
    return from > 0 && from < shares.length ? [{ name, step: moments[from].step }] : [];
  });
}

/** A few kinds that were learned at different steps, the first and the last among them. */
function spread(kinds) {
  const steps = [...new Map(kinds.map((kind) => [kind.step, kind])).values()].toSorted((a, b) => a.step - b.step);
  const place = (i, n) => Math.round((i * (steps.length - 1)) / (n - 1));
  const n = Math.min(CHOICES, steps.length);
  return n < 2 ? steps : Array.from({ length: n }, (_, i) => steps[place(i, n)]);
}
