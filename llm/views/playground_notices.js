/** What stands in the way of a model: it is not here, or it cannot read all of the text. */

import { isolate } from "./parts.js";
import { visible } from "./token_text.js";

const NAMED = 5; // words or letters in a message

/**
 * @typedef {object} Situation
 * @property {string} name  of the model
 * @property {import("./language_model.js").LanguageModel | null | undefined} model  null if it could
 *   not be had, undefined on its way
 * @property {import("./reading.js").Reading} [reading]
 * @property {{text: string}[]} [strangers]  words that the model has never seen
 * @property {boolean} tooLong  whether the text was longer than a view takes
 * @property {boolean} full  whether one token more pushes the first one out
 * @property {boolean} ended  whether the model has ended the text
 */

/** @param {import("./frame.js").Frame} frame @param {Situation} situation @returns {string} */
export function notices(frame, { name, model, reading, strangers, tooLong, full, ended }) {
  if (!model) return frame.t(model === null ? "not_loaded" : "loading", { name });
  const limit = model.config.max_seq_len;
  const letters = listed(reading.unknown, " ");
  const words = listed(strangers.map(({ text }) => text), ", ");
  return [
    tooLong && frame.t("cut_text", { limit: frame.data.limit }),
    reading.cut && frame.count("cut", reading.cut, { limit }),
    full && frame.t("full", { limit }),
    letters && frame.t("left_out", { letters }),
    words && frame.t("never_seen", { name, words }),
    ended && frame.t("ended", { name }),
    !reading.length && frame.t("empty"),
  ].filter(Boolean).join(" ");
}

/** The first few of some texts, each once, none of which turns its surroundings round. */
function listed(texts, between) {
  const few = [...new Set(texts)];
  const more = few.length > NAMED ? " …" : "";
  return few.slice(0, NAMED).map((text) => isolate(visible(text))).join(between) + more;
}
