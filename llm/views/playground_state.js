/** What the playground shows, made valid, wherever it comes from: the reader, the page, the address. */

import { Sampler } from "./sampler.js";

/**
 * The state after a change. Another model begins with its own text, and another text is looked at
 * from its end.
 * @param {Record<string, any>} state
 * @param {Record<string, any>} change
 * @param {{models: {name: string, prompt: string}[], limit: number}} data
 * @returns {Record<string, any>}  with `other`, whether the text is another one, and `tooLong`
 */
export function validState(state, change, { models, limit }) {
  const named = (name) => models.find((model) => model.name === name);
  const { name: model, prompt } = named(change.model) ?? named(state.model);
  const begun = model === state.model ? {} : { prompt };
  const other = "prompt" in { ...begun, ...change };
  const values = { ...state, ...begun, ...(other ? { position: -1 } : {}), ...change };
  const letters = Array.from(String(values.prompt).replace(/\p{Surrogate}/gu, "\ufffd"));
  const whole = (key) => Math.trunc(Number(values[key])) || 0;
  return {
    ...Sampler.valid(values), model, other, tooLong: letters.length > limit, prompt: letters.slice(0, limit).join(""),
    position: whole("position"), stage: whole("stage"), head: whole("head"),
  };
}
