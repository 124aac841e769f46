/** Where the tokens stand, and how a position is written: sliders and lists of choices. */

import { h, number } from "./parts.js";
import { HEADS, minus } from "./positions_math.js";

/** What is set in each kind. */
const SHOWN = {
  sinusoidal: ["p", "k", "pair", "d", "theta"], offset: ["p", "k", "d", "theta"], learned: ["p", "k"],
  rope: ["p", "k", "pair", "d", "theta"], alibi: ["p", "k", "head"],
};

export class PlaceControls {
  /** @param {import("./frame.js").Frame} frame @param {(change: object) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    const sliders = ["p", "k", "pair", "head"].map((name) => [name, this.slider(name)]);
    const lists = [["d", frame.data.widths], ["theta", frame.data.bases]].map(([name, values]) => [name, this.list(name, values)]);
    this.parts = new Map([...sliders, ...lists]);
    this.element = h("div", { class: "llm-places" }, [...this.parts.values()].map(({ element }) => element));
  }

  slider(name) {
    const { frame } = this;
    const id = frame.id(name);
    const input = h("input", { id, type: "range", step: 1 });
    input.addEventListener("input", () => this.change({ [name]: Number(input.value) }));
    const output = h("output", { for: id, class: "llm-place" });
    return { input, output, element: h("div", { class: "llm-dose" }, h("label", { for: id }, frame.named("set", name)), output, input) };
  }

  list(name, values) {
    const { frame } = this;
    const id = frame.id(name);
    const input = h("select", { id }, values.map((value) => h("option", { value }, number(value))));
    input.addEventListener("change", () => this.change({ [name]: Number(input.value) }));
    return { input, element: h("div", { class: "llm-dose" }, h("label", { for: id }, frame.named("set", name)), input) };
  }

  /** @param {import("./positions_waves.js").PositionState} state @param {number} room */
  draw(state, room) {
    const { p, k, d } = state;
    const last = room - 1;
    const ends = { p: [Math.max(0, -k), Math.min(last, last - k)], k: [-p, last - p], pair: [0, d / 2 - 1], head: [1, HEADS] };
    if (state.kind === "alibi") Object.assign(ends, { p: [-k, last], k: [-p, 0] });
    for (const [name, { input, output, element }] of this.parts) {
      element.hidden = !SHOWN[state.kind].includes(name);
      if (output) {
        [input.min, input.max] = ends[name];
        output.textContent = name === "k" ? minus(state[name]) : String(state[name]);
      }
      input.value = state[name];
    }
  }
}
