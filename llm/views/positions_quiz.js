/** A question on each kind of position, whose answer follows from the numbers. */

import { exactly, turnRates } from "./positions_math.js";

const ASKED = new WeakMap(); // what each prediction asks now

/**
 * Ask about a kind, once, and again when what is asked about has changed.
 * @param {import("./frame.js").Frame} frame
 * @param {import("./predict.js").Prediction} prediction
 */
export function askAbout(frame, prediction, panel, state, room) {
  const { kind, d, theta } = state;
  const key = [kind, ...(kind === "sinusoidal" ? [d, theta] : []), ...(kind === "learned" ? [Boolean(panel.rows)] : [])].join();
  if (ASKED.get(prediction) === key) return;
  ASKED.set(prediction, key);
  const item = ITEMS[kind](frame, { panel, state, room });
  prediction.element.hidden = !item;
  if (!item) return;
  prediction.ask(item.question, item.choices, (chosen) => {
    prediction.close(item.right);
    prediction.say(`${frame.t(chosen === item.right ? "right" : "wrong")} ${item.why}`);
  });
}

const ITEMS = {
  sinusoidal: (frame, { state: { d, theta }, room }) => {
    const turns = ((room - 1) * turnRates(d, theta).at(-1)) / (2 * Math.PI);
    const right = turns < 0.25 ? 0 : turns < 2 ? 1 : 2;
    return { question: frame.t("ask_slowest", { room }), choices: [frame.t("slowest_little"), frame.t("slowest_once"), frame.t("slowest_often")],
      right, why: frame.t("why_slowest", { turns: exactly(turns, turns < 0.1 ? 3 : 1) }) };
  },
  offset: (frame) => ({ question: frame.t("ask_offset"), choices: [frame.t("offset_falls"), frame.t("offset_stays"), frame.t("offset_rises")],
    right: 1, why: frame.t("why_offset") }),
  learned: (frame, { panel }) => {
    if (!panel.rows) return null;
    const mean = panel.neighbours();
    return { question: frame.t("ask_neighbours"), choices: [frame.t("neighbours_same"), frame.t("neighbours_some"), frame.t("neighbours_hardly")],
      right: mean > 0.8 ? 0 : mean > 0.25 ? 1 : 2, why: frame.t("why_neighbours", { mean: exactly(mean, 2) }) };
  },
  rope: (frame) => ({ question: frame.t("ask_rope"), choices: [frame.t("rope_query"), frame.t("rope_angle"), frame.t("rope_match"), frame.t("rope_all")],
    right: 0, why: frame.t("why_rope") }),
  alibi: (frame) => ({ question: frame.t("ask_alibi"), choices: [frame.t("alibi_first"), frame.t("alibi_last"), frame.t("alibi_same")],
    right: 1, why: frame.t("why_alibi") }),
};
