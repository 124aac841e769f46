/** What there is to say about a token: its id, its bytes, its rank, and why it ends. */

import { BPE } from "./bpe.js";
import { hex } from "./token_text.js";
import { isolate } from "./parts.js";

/** @typedef {import("./bpe.js").Token} Token */
/** @typedef {import("./token_text.js").Span} Span */

/**
 * Names and values, in the order shown.
 * @param {import("./frame.js").Frame} frame
 * @param {{engine: object, tokens: Token[], spans: Span[]}} shown
 * @param {number} index
 * @returns {[string, string][]}
 */
export function facts(frame, shown, index) {
  const token = shown.tokens[index];
  return [
    [frame.t("fact_token"), textOf(frame, shown.spans[index])],
    [frame.t("fact_id"), String(token.id ?? frame.t("unknown"))],
    [frame.t("fact_bytes"), hex(token.bytes)],
    [frame.t("fact_rank"), rankOf(frame, shown.engine, token)],
    [frame.t("fact_end"), reason(frame, shown, index)],
  ];
}

/** What a token's bytes say, also when they are only a part of a character. */
function textOf(frame, { label, partial }) {
  if (!partial) return `“${isolate(label)}”`;
  return frame.t("incomplete", { ...partial, character: isolate(partial.character) });
}

function rankOf(frame, engine, token) {
  if (!(engine instanceof BPE)) return frame.t("rank_character");
  if (token.special) return frame.t("rank_special");
  if (token.rank === null) return frame.t("rank_byte");
  return frame.count("rank_merge", engine.size, { rank: token.rank });
}

/** Why the text breaks after a token. */
function reason(frame, { engine, tokens, spans }, index) {
  const [token, next] = [tokens[index], tokens[index + 1]];
  if (!next) return frame.t("end_text");
  if (!(engine instanceof BPE)) return frame.t("end_character");
  if (token.special || next.special) return frame.t("end_special");
  if (token.word !== next.word) return frame.t("end_word");
  const [left, right] = [spans[index], spans[index + 1]].map((span) => isolate(span.label));
  return frame.t("end_unmerged", { left, right });
}
