/** Words of a text that a model has never seen, with the tokens that they are cut into. */

const PART = /^[\p{L}\p{N}\ufffd]+$/u; // of a word; U+FFFD stands for a part of a character
const KNOWN_SIGNS = [".", ",", "?", ""];

/**
 * @param {import("./reading.js").Reading} reading
 * @param {Set<string>} known  every word that the model may have seen
 * @returns {{text: string, tokens: number[]}[]}  with the positions of the tokens
 */
export function strangersIn({ model, ids }, known) {
  const words = [];
  let open = false; // whether a token without a space before it goes on with the last word
  ids.forEach((id, t) => {
    if (open && PART.test(model.label(id))) return words.at(-1).push(t);
    open = !model.special.has(id) && PART.test(model.word(id));
    if (!model.special.has(id)) words.push([t]);
  });
  const named = words.map((tokens) => ({ tokens, text: model.decode(tokens.map((t) => ids[t])).trim() }));
  return named.filter(({ text }) => !known.has(text) && !KNOWN_SIGNS.includes(text));
}
