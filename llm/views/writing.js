/** Writing on a text: draw one token, go on until it ends or the reader stops it, take one back. */

import { button, h } from "./parts.js";

const PAUSE = 140; // milliseconds between two tokens

export class Writing {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {() => boolean} step  puts a token at the end, and says whether it should go on
   * @param {() => void} back  takes the last one away
   */
  constructor(frame, step, back) {
    Object.assign(this, { frame, step, timer: null });
    this.one = button(frame.t("draw_one"), () => step(), { class: "llm-button llm-main" });
    this.write = button(frame.t("write"), () => this.toggle());
    this.back = button(frame.t("undo"), () => (this.stop(), back()));
    this.element = h("div", { class: "llm-controls llm-writing" }, this.one, this.write, this.back);
  }

  /** What can be done with a text of so many tokens. @param {number} length */
  allow(length) {
    this.one.disabled = this.write.disabled = !length;
    this.back.disabled = length < 2;
  }

  toggle() {
    if (this.timer) return this.stop();
    this.write.textContent = this.frame.t("pause_writing");
    this.wait();
  }

  wait() {
    this.timer = setTimeout(() => (this.step() ? this.wait() : this.stop()), PAUSE);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.write.textContent = this.frame.t("write");
  }
}
