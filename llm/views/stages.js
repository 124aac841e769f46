/** The way from a text to its next token, stage by stage, each as a picture with its numbers. */

import { h, isolate, markOption, roving } from "./parts.js";
import { bothSigns, heatRows } from "./heat_rows.js";
import { percent } from "./token_strip.js";
import { shade } from "./chart.js";
import { softmax } from "./engine.js";
import { streamRows } from "./stream_rows.js";

const ROWS = 8; // tokens in the tables of logits and probabilities

/** The names of the stages of a model. @param {{n_layers: number}} config */
export function stageNames({ n_layers }) {
  const blocks = Array.from({ length: n_layers }, (_, layer) => `block-${layer}`);
  return ["tokens", "embeddings", ...blocks, "logits", "probabilities", "draw"];
}

/**
 * What is shown at a stage.
 * @typedef {object} Scene
 * @property {import("./frame.js").Frame} frame
 * @property {import("./reading.js").Reading} reading
 * @property {number} position  the token whose way is followed
 * @property {number} head  negative where none is chosen: the one that looks at one token most
 * @property {object} settings  those of the sampler
 * @property {{id: number, random: number}} drawn  what would be drawn
 * @property {(change: object) => void} change
 * @property {() => void} add  puts what was drawn into the text
 */

/** The picture of a stage and the sentence under it. @param {string} name @param {Scene} scene */
export function stage(name, scene) {
  const layer = /^block-(\d+)$/.exec(name)?.[1];
  return layer ? blockStage(Number(layer), scene) : STAGES[name](scene);
}

const STAGES = {
  tokens({ frame, reading, position }) {
    const chips = reading.ids.map((id, t) => h("span", { class: `llm-chip llm-tint-${t % 3}${t === position ? " llm-followed" : ""}` },
      h("span", { class: "llm-text" }, reading.model.label(id)), h("span", { class: "llm-id" }, String(id))));
    const words = { n: reading.length, size: reading.model.config.vocab_size };
    return [says(frame, "tokens", words), Object.assign(scroller(frame.t("place_tokens"), "llm-pieces", chips), { dir: "auto" })];
  },

  embeddings({ frame, reading, position }) {
    const { d_model: C } = reading.model.config;
    const { values } = reading.acts.embeddings;
    const rows = reading.ids.map((_, t) => values.subarray(t * C, (t + 1) * C));
    const first = [...rows[position].slice(0, 6)].map((value) => value.toFixed(2)).join(", ");
    const token = isolate(reading.word(position));
    const picture = heatRows(frame.t("embeddings_label", { n: rows.length, width: C }), rows, bothSigns(rows));
    return [says(frame, "embeddings", { width: C }), scaled(frame, picture), h("p", { class: "llm-legend" }, frame.t("first_numbers", { token, numbers: first }))];
  },

  logits({ frame, reading, position }) {
    const logits = reading.logitsAt(position);
    const order = ranked(logits);
    const [high, low] = [logits[order[0]], logits[order.at(-1)]];
    const words = { n: logits.length, low: low.toFixed(1), high: high.toFixed(1) };
    const rows = [...order.slice(0, ROWS), order.at(-1)].map((id) => [reading.model.word(id), logits[id].toFixed(2), (logits[id] - low) / (high - low)]);
    return [says(frame, "logits", words), bars(frame, rows)];
  },

  probabilities({ frame, reading, position, settings }) {
    const logits = reading.logitsAt(position);
    const temperature = settings.temperature || 1;
    const raw = softmax(logits.map((logit) => logit / temperature));
    const expected = reading.expectedAt(position, settings, reading.model.config.vocab_size);
    const final = new Map(expected.map(({ id, p }) => [id, p]));
    const head = ["token", "logit", "scaled", "softmax", "final"].map((name) => h("th", { scope: "col" }, frame.named("column", name)));
    const rows = ranked(logits).slice(0, ROWS).map((id) => h("tr", {},
      h("th", { scope: "row" }, reading.model.word(id)),
      ...[logits[id].toFixed(2), (logits[id] / temperature).toFixed(2), percent(raw[id]), percent(final.get(id) ?? 0)].map((text) => h("td", { class: "llm-number" }, text))));
    return [says(frame, "probabilities", { temperature }), scroller(frame.t("place_probabilities"), "llm-chances", [h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))])];
  },

  draw({ frame, reading, position, settings, drawn, add }) {
    const expected = reading.expectedAt(position, settings, reading.model.config.vocab_size).filter(({ p }) => p > 0).sort((a, b) => a.id - b.id);
    const parts = expected.map(({ id, label, p }) => h("span", { class: `${id === drawn.id ? "llm-hit" : ""}${p > 0.01 ? " llm-wide" : ""}`, style: `flex: ${p} 0 0`, title: `${label} ${percent(p)}` },
      p > 0.07 ? label : ""));
    const needle = h("span", { class: "llm-needle", style: `inset-inline-start: ${(100 * drawn.random).toFixed(2)}%` });
    const words = { random: drawn.random.toFixed(3), token: isolate(reading.model.word(drawn.id)) };
    const more = h("button", { type: "button", class: "llm-button llm-main", onclick: add }, frame.t("add", words));
    return [says(frame, settings.temperature ? "draw" : "greedy", words),
      h("div", { class: "llm-wheel", "aria-hidden": "true" }, h("div", {}, parts), needle), h("div", { class: "llm-controls" }, more)];
  },
};

/** One block: where each head looks from the followed token, and what is added to its row. */
function blockStage(layer, { frame, reading, position, head, change }) {
  const { n_heads: H, d_model: C, n_layers } = reading.model.config;
  const name = `blocks.${layer}`;
  const weights = headRows(reading, `${name}.attention.weights`, position);
  const shown = head < 0 ? sharpest(weights) : head;
  const row = (part) => reading.acts[`${name}.${part}`].values.subarray(position * C, (position + 1) * C);
  const stream = ["residual_pre", "attention.output", "ffn.output", "residual_post"].map((part) => [frame.t(`stream_${part.split(".")[0]}`), row(part)]);
  const lens = reading.lensAt(layer, position, 3).map(({ label, p }) => `${isolate(label)} ${percent(p)}`).join(", ");
  return [
    says(frame, "block", { layer, last: n_layers - 1, heads: H }),
    headList(frame, reading, weights, shown, change),
    attended(frame, reading, weights[shown], shown),
    h("p", { class: "llm-subtitle" }, frame.t("stream_title")),
    h("dl", { class: "llm-stream" }, streamRows(frame, stream)),
    h("p", { class: "llm-legend" }, frame.t("stream_legend")),
    h("p", { class: "llm-message" }, frame.t(layer === n_layers - 1 ? "lens_last" : "lens", { lens })),
  ];
}

/** The weights of each head from one position: (heads, S). */
function headRows(reading, name, position) {
  const { values, shape: [H, T, S] } = reading.acts[name];
  return Array.from({ length: H }, (_, h) => values.subarray((h * T + position) * S, (h * T + position) * S + position + 1));
}

/** The head with the greatest weight; those on the first token do not count, many heads rest there. */
function sharpest(weights) {
  const most = weights.map((row) => Math.max(0, ...row.subarray(1)));
  return most.indexOf(Math.max(...most));
}

/** The heads as rows of colour, one column a token; one of them is chosen. */
function headList(frame, reading, weights, chosen, change) {
  const list = h("div", { class: "llm-head-rows", role: "listbox", "aria-label": frame.t("heads_label") });
  const options = weights.map((row, head) => {
    const most = row.indexOf(Math.max(...row));
    const words = { head, token: isolate(reading.word(most)), share: percent(row[most]) };
    const cells = h("span", { class: "llm-head-cells", "aria-hidden": "true" }, [...row].map((weight) => h("span", { style: `background: ${shade(weight)}` })));
    return h("span", { role: "option", tabindex: -1, class: "llm-head-row", "aria-label": frame.t("head_row", words) }, h("span", {}, String(head)), cells);
  });
  list.append(...options);
  markOption(options, chosen);
  roving(list, { select: (head) => head !== chosen && change({ head }), hover: () => {} });
  return h("div", { class: "llm-part" }, h("p", { class: "llm-legend" }, frame.t("heads_legend")), list);
}

/** The text, each token as deep as the chosen head looks at it. */
function attended(frame, reading, row, head) {
  const most = row.indexOf(Math.max(...row));
  const words = [...row].map((weight, s) => h("span", { class: `llm-attended${s === most ? " llm-followed" : ""}`, style: `--weight: ${weight.toFixed(3)}` }, reading.spaced(s)));
  const top = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3).map((s) => `${isolate(reading.word(s))} ${percent(row[s])}`);
  const looks = frame.t("head_looks", { head, top: top.join(", ") });
  return h("div", { class: "llm-part" }, scroller(looks, "llm-looks", words), h("p", { class: "llm-legend" }, looks));
}

function bars(frame, rows) {
  return h("div", { class: "llm-logits" }, rows.map(([label, value, part]) => h("div", { class: "llm-logit" },
    h("span", { class: "llm-next-label" }, label), h("span", { class: "llm-bar", "aria-hidden": "true" }, h("span", { style: `inline-size: ${(100 * part).toFixed(1)}%` })), h("span", { class: "llm-number" }, value))));
}

/** What scrolls where it is long, by keys too. @param {string} label @param {string} kind @param {Node[]} parts */
function scroller(label, kind, parts) {
  return h("div", { class: `llm-scroll ${kind}`, role: "group", tabindex: 0, "aria-label": label }, parts);
}

function scaled(frame, picture) {
  return h("div", { class: "llm-part" }, picture, h("p", { class: "llm-legend" }, frame.t("heat_legend")));
}

function says(frame, name, words) {
  return h("p", { class: "llm-says" }, frame.t(`stage_${name}`, words));
}

function ranked(logits) {
  return Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
}
