/** A slider over moments with Back, Play and Next. */

import { button, h } from "./parts.js";

export class Player {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(index: number) => void} show  told of each moment that the reader chooses
   * @param {number} [pace]  milliseconds from moment to moment
   */
  constructor(frame, show, pace = 700) {
    Object.assign(this, { frame, show, pace, at: 0, last: 0, timer: null });
    this.back = button(frame.t("previous"), () => this.choose(this.at - 1));
    this.play = button(frame.t("play"), () => this.toggle());
    this.next = button(frame.t("next"), () => this.choose(this.at + 1));
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": frame.t("moment_slider") });
    this.slider.addEventListener("input", () => this.choose(Number(this.slider.value)));
    this.place = h("span", { class: "llm-place" });
    this.element = h("div", { class: "llm-controls" }, this.back, this.play, this.next, this.slider, this.place);
  }

  /** Stand at a moment, one of `count`. @param {number} at @param {number} count @param {string} text */
  stand(at, count, text) {
    Object.assign(this, { at, last: count - 1 });
    this.slider.max = this.last;
    this.slider.value = at;
    this.slider.setAttribute("aria-valuetext", text);
    this.place.textContent = text;
    this.back.disabled = at === 0;
    this.next.disabled = at === this.last;
  }

  /** A choice of the reader, which ends the playing. @param {number} index */
  choose(index) {
    this.stop();
    this.show(Math.max(0, Math.min(index, this.last)));
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.at === this.last) this.show(0);
    this.play.textContent = this.frame.t("pause");
    this.timer = setInterval(() => this.tick(), this.pace);
  }

  tick() {
    if (this.at < this.last) this.show(this.at + 1);
    if (this.at === this.last) this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = this.frame.t("play");
  }
}
