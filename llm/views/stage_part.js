/** The way to the next token: a player of its stages, and the picture of one. */

import { h } from "./parts.js";
import { Player } from "./player.js";
import { nextToken } from "./sampler.js";
import { reveal } from "./token_strip.js";
import { stage, stageNames } from "./stages.js";

const PACE = 3000; // milliseconds from stage to stage

export class StagePart {
  /**
   * @param {import("./frame.js").Frame} frame
   * @param {(change: object) => void} change
   * @param {(id: number) => void} add  puts a token that was drawn into the text
   */
  constructor(frame, change, add) {
    Object.assign(this, { frame, change, add });
    this.player = new Player(frame, (at) => change({ stage: at }), PACE);
    this.scene = h("div", { class: "llm-scene" });
    this.element = h("section", { class: "llm-part llm-how" }, h("p", { class: "llm-subtitle" }, frame.t("how_title")), this.player.element, this.scene);
  }

  /** @param {import("./reading.js").Reading} reading @param {number} position @param {Record<string, any>} state */
  draw(reading, position, state) {
    const { frame, change, add, scene } = this;
    const names = stageNames(reading.model.config);
    state.stage = Math.max(0, Math.min(state.stage, names.length - 1));
    state.head = Math.max(-1, Math.min(state.head, reading.model.config.n_heads - 1));
    const [kind, layer] = names[state.stage].split("-");
    this.player.stand(state.stage, names.length, frame.t(`place_${kind}`, { layer }));
    const drawn = nextToken(reading.logitsAt(position), state, reading.length);
    const focused = scene.contains(document.activeElement);
    scene.replaceChildren(...stage(names[state.stage], {
      frame, reading, position, head: state.head, settings: state, drawn, change, add: () => add(drawn.id),
    }));
    if (focused) scene.querySelector("[role=option][tabindex='0'], button")?.focus({ preventScroll: true });
    for (const part of scene.querySelectorAll(".llm-followed")) reveal(part.parentElement, part);
  }
}
