/** A guided tour of a view: step by step it sets the view, points at a part and says what to see. */

import { button, h } from "./parts.js";

const SECONDS = 11; // for each step, while it plays

/** @typedef {{text: string, change: object, part: () => Element}} TourStep  `change`: what differs from the last */

export class Tour {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {TourStep[]} steps
   * @param {(change: object) => void} change  sets the view
   */
  constructor(frame, steps, change) {
    Object.assign(this, { frame, steps, change, timer: null });
    this.open = button(frame.t("tour"), () => this.start(), { class: "llm-button llm-tour-open" });
    this.text = h("p", { class: "llm-tour-text" });
    this.place = h("span", { class: "llm-place" });
    this.back = button(frame.t("previous"), () => this.turn(-1));
    this.play = button(frame.t("pause"), () => this.toggle());
    this.next = button(frame.t("next"), () => this.turn(1));
    this.stopButton = button(frame.t("tour_end"), () => this.end());
    const controls = h("div", { class: "llm-controls" }, this.back, this.play, this.next, this.stopButton, this.place);
    this.element = h("div", { class: "llm-tour", role: "group", "aria-label": frame.t("tour"), hidden: true }, this.text, controls);
    frame.element.addEventListener("keydown", (event) => event.key === "Escape" && !this.element.hidden && this.end());
  }

  start() {
    this.element.hidden = false;
    this.open.hidden = true;
    this.show(0);
    this.toggle();
    this.next.focus();
  }

  end() {
    this.stop();
    this.point(null);
    this.element.hidden = true;
    this.open.hidden = false;
    this.open.focus();
  }

  show(at) {
    this.at = at;
    const { text, part } = this.steps[at];
    const changes = this.steps.slice(0, at + 1).map(({ change }) => change);
    this.change(Object.assign({}, ...changes)); // all of them, so that a step back shows what it showed
    this.point(part());
    this.text.textContent = text;
    this.place.textContent = this.frame.t("tour_place", { step: at + 1, steps: this.steps.length });
    this.bound(at === 0, at === this.steps.length - 1);
    if (getComputedStyle(this.element).position === "static") this.element.scrollIntoView({ block: "nearest", behavior: "instant" });
    this.frame.announce(text);
  }

  /** Close the way back or on; the focus leaves a button that is closed, for it would be lost there. */
  bound(first, last) {
    const { activeElement } = document;
    if (last && activeElement === this.next) this.stopButton.focus();
    if (first && activeElement === this.back) this.next.focus();
    this.back.disabled = first;
    this.next.disabled = last;
  }

  /** A step that the reader takes, which ends the playing. */
  turn(by) {
    this.stop();
    this.show(this.at + by);
  }

  /** Mark a part as the one that is spoken of, and no other. @param {Element | null} part */
  point(part) {
    this.pointed?.classList.remove("llm-toured");
    this.pointed = part;
    part?.classList.add("llm-toured");
    part?.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.at === this.steps.length - 1) this.show(0);
    this.play.textContent = this.frame.t("pause");
    this.timer = setInterval(() => this.tick(), SECONDS * 1000);
  }

  tick() {
    this.show(this.at + 1);
    if (this.at === this.steps.length - 1) this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = this.frame.t("play");
  }
}
