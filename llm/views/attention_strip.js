/** A text as tokens, one of which looks at the others. */

import { h, isolate, markOption, roving } from "./parts.js";
import { bare, decimal } from "./attention_reading.js";

/** The text in one line after another, each token as deep as a query looks at it. */
export class LookStrip {
  /** @param {import("./frame.js").Frame} frame @param {(query: number) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, options: [] });
    this.list = h("div", { class: "llm-looks-at", dir: "auto", role: "listbox", "aria-orientation": "horizontal", "aria-label": frame.t("strip_label") });
    roving(this.list, { select: (i) => i !== this.chosen && choose(i), hover: () => {} });
    this.readout = h("p", { class: "llm-message" });
    this.element = h("div", { class: "llm-column" }, this.readout, this.list, h("p", { class: "llm-legend" }, frame.t("strip_legend")));
  }

  /** @param {import("./attention_reading.js").HeadReading} reading @param {Record<string, any>} state */
  draw(reading, state) {
    if (reading !== this.reading) {
      this.options = reading.ids.map((id) => token(reading.model.label(id)));
      this.list.replaceChildren(...this.options);
    }
    Object.assign(this, { reading, chosen: state.query });
    this.options.forEach((option, key) => {
      const weight = reading.open(state.query, key) ? reading.weight(state, state.query, key) : 0;
      option.style.setProperty("--weight", weight.toFixed(3));
      option.classList.toggle("llm-key", key === state.key);
      option.classList.toggle("llm-later", key > state.query);
      const token = isolate(reading.word(key));
      option.setAttribute("aria-label", key > state.query ? this.frame.t("looks_later", { token }) : this.frame.t("looks_at", { token, weight: decimal(weight, 2) }));
    });
    markOption(this.options, state.query);
    const words = { query: isolate(reading.word(state.query)), key: isolate(reading.word(state.key)) };
    this.readout.textContent = this.frame.t("looks", { ...words, weight: decimal(reading.open(state.query, state.key) ? reading.weight(state, state.query, state.key) : 0, 2) });
  }
}

/** A token; one that begins with a space stands apart from the one before. @param {string} label */
function token(label) {
  const begins = bare(label) === label ? "" : " llm-begins";
  return h("span", { role: "option", tabindex: -1, class: `llm-look${begins}` }, bare(label));
}
