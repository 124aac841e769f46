/** The text as the model reads it: its tokens, and how likely the chosen one was before it came. */

import { h, isolate, number } from "./parts.js";
import { TokenStrip, percent } from "./token_strip.js";

export class TextPart {
  /** @param {import("./frame.js").Frame} frame @param {(position: number) => void} choose */
  constructor(frame, choose) {
    this.frame = frame;
    this.strip = new TokenStrip(frame.t("strip_label"), choose);
    this.readout = h("p", { class: "llm-message llm-readout" });
    this.element = h("section", { class: "llm-part llm-read" }, this.strip.element, h("p", { class: "llm-legend" }, frame.t("strip_legend")), this.readout);
  }

  /**
   * @param {import("./reading.js").Reading} reading
   * @param {number} position
   * @param {{tokens: number[]}[]} strangers  words that the model has never seen
   */
  draw(reading, position, strangers) {
    const { frame } = this;
    const strange = new Set(strangers.flatMap(({ tokens }) => tokens));
    const note = (t) => (strange.has(t) ? frame.t("strange") : "");
    const tokens = reading.ids.map((_, t) => ({ label: reading.spaced(t), surprise: reading.surprise[t], note: note(t) }));
    this.strip.draw(tokens, position, (token) => this.say(token));
    this.readout.textContent = reading.length ? this.chance(reading, position) : "";
  }

  say({ label, surprise, note }) {
    const token = label.trim();
    const said = surprise === null ? token : this.frame.t("token_surprise", { token, nats: number(surprise) });
    return note ? `${said}, ${note}` : said;
  }

  chance(reading, t) {
    const { frame } = this;
    const token = isolate(reading.word(t));
    if (!t) return frame.t("first_token", { token });
    const [chance, nats] = [percent(Math.exp(-reading.surprise[t])), number(reading.surprise[t])];
    return frame.t("readout", { token, chance, nats });
  }
}
