/** A question before the film: which kind of word does the model learn last? */

import { button, h } from "./parts.js";

const CHOICES = 4;
export const KNOWN = 0.9; // share of right first choices from which a kind of word counts as known

export class KnownLast {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.label = h("p", { id: frame.id("quiz") }, frame.t("quiz"));
    this.choices = h("div", { class: "llm-choices" });
    this.verdict = h("p", { class: "llm-message" });
    this.element = h("div", { class: "llm-predict", role: "group", "aria-labelledby": this.label.id, hidden: true });
    this.element.append(this.label, this.choices, this.verdict);
  }

  /** Ask about a film, once. @param {any} film */
  ask(film) {
    const shown = spread(learned(film)).toSorted((a, b) => a.name.localeCompare(b.name));
    this.element.hidden = shown.length < 2;
    if (film === this.film) return;
    this.film = film;
    this.verdict.textContent = "";
    this.buttons = new Map(shown.map((kind) => [kind, button(this.name(kind), () => this.answer(kind, shown))]));
    this.choices.replaceChildren(...this.buttons.values());
  }

  answer(guess, shown) {
    const { frame } = this;
    const last = shown.reduce((a, b) => (b.step > a.step ? b : a));
    const order = shown.toSorted((a, b) => a.step - b.step).map((kind) => `${this.name(kind)} ${kind.step}`).join(", ");
    const verdict = frame.t(guess === last ? "right" : "wrong", { guess: this.name(guess), answer: this.name(last) });
    this.verdict.textContent = `${verdict} ${frame.t("quiz_order", { order })}`;
    for (const [kind, choice] of this.buttons) {
      choice.disabled = true;
      choice.classList.toggle("llm-right", kind === last);
    }
    frame.announce(this.verdict.textContent);
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
