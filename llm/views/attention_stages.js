/** The steps from queries and keys to the output of a head, one map after another. */

import { button, choice, h, isolate } from "./parts.js";
import { decimal, headName } from "./attention_reading.js";
import { mapScale, PixelMap } from "./heatmap.js";

/**
 * What a step shows: a number for each cell, and a sentence with the numbers of one.
 * @typedef {import("./attention_reading.js").HeadReading} HeadReading
 * @typedef {{query: number, key: number, feature: number, layer: number, head: number, stage: string}} Place
 */

export const STAGES = ["product", "scaled", "masked", "weights", "output"];

export class AttentionStages {
  /** @param {import("./frame.js").Frame} frame @param {(change: Record<string, any>) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    this.choice = this.stageChoice();
    this.back = button(frame.t("previous"), () => this.step(-1));
    this.next = button(frame.t("next"), () => this.step(1));
    this.map = new PixelMap(frame.t("map_label"), (row, column) => this.chooseCell(row, column));
    this.caption = h("p", { class: "llm-legend" });
    this.scale = h("div");
    this.tell = h("p", { class: "llm-tell" });
    this.readout = h("p", { class: "llm-message llm-cell", id: frame.id("cell") });
    this.map.element.setAttribute("aria-describedby", this.readout.id);
    const steps = h("div", { class: "llm-controls" }, this.back, this.next);
    const words = h("div", { class: "llm-column" }, this.tell, this.readout, steps);
    const picture = h("div", { class: "llm-column" }, this.caption, this.map.element, this.scale);
    this.element = h("div", { class: "llm-column" }, this.choice, h("div", { class: "llm-pair" }, words, picture));
  }

  stageChoice() {
    const { frame } = this;
    const choices = STAGES.map((value) => ({ value, content: [
      h("span", { class: "llm-name" }, frame.named("stage", value)), h("span", {}, frame.named("formula", value))] }));
    const box = choice({ name: frame.id("stage"), legend: frame.t("stages_label"), choices }, (stage) => this.change({ stage }));
    box.classList.add("llm-stages");
    return box;
  }

  step(by) {
    this.change({ stage: STAGES[STAGES.indexOf(this.place.stage) + by] });
    const end = [this.back, this.next].find((each) => each.disabled);
    if (end) (end === this.back ? this.next : this.back).focus();
  }

  chooseCell(row, column) {
    this.change(this.place.stage === "output" ? { query: row, feature: column } : { query: row, key: column });
  }

  /** @param {HeadReading} reading @param {Place} place */
  draw(reading, place) {
    const { frame } = this;
    Object.assign(this, { reading, place });
    this.choice.querySelector(`input[value="${place.stage}"]`).checked = true;
    this.back.disabled = place.stage === STAGES[0];
    this.next.disabled = place.stage === STAGES.at(-1);
    const d = reading.model.config.head_dim;
    const bias = hasBias(reading) && place.stage === "scaled" ? ` ${frame.t("tell_bias")}` : "";
    this.tell.textContent = TELL[place.stage](frame, d) + bias;
    this.readout.textContent = this.describe();
    this.caption.textContent = frame.t(place.stage === "output" ? "map_output" : "map_keys");
    this.paint();
  }

  /** The numbers of a step as a map, from its lowest to its highest, weights from 0 to 1. */
  paint() {
    const { reading, place } = this;
    const T = reading.length;
    const columns = place.stage === "output" ? reading.model.config.head_dim : T;
    const values = new Float64Array(T * columns).map((_, i) => this.value(Math.floor(i / columns), i % columns));
    const [low, high] = place.stage === "weights" ? [0, 1] : ends(values);
    const at = (row, column) => values[row * columns + column];
    const on = (value) => (Number.isFinite(value) ? (value - low) / (high - low || 1) : null);
    const cell = [place.query, place.stage === "output" ? place.feature : place.key];
    this.map.draw([T, columns], (row, column) => on(at(row, column)), cell);
    this.scale.replaceChildren(mapScale(decimal(low, 1), decimal(high, 1)));
  }

  /** The number in a cell of the step; NaN where there is none. */
  value(row, column) {
    const { reading, place } = this;
    if (place.stage === "product") return this.products()[row * reading.length + column];
    if (place.stage === "scaled") return reading.score(place, row, column);
    if (place.stage === "output") return this.outputs()[row][column];
    if (!reading.open(row, column)) return NaN;
    return place.stage === "masked" ? reading.score(place, row, column) : reading.weight(place, row, column);
  }

  products() {
    const { reading, place } = this;
    const all = reading.ids.map((_, i) => i);
    return this.kept("products", () => Float64Array.from(all.flatMap((row) => all.map((column) => reading.product(place, row, column)))));
  }

  outputs() {
    const { reading, place } = this;
    return this.kept("outputs", () => reading.ids.map((_, row) => reading.output(place, row)));
  }

  /** Worked out once for each text and head. */
  kept(name, make) {
    const { reading, place } = this;
    const key = headName(place);
    if (this.source !== reading || this.keptFor !== key) Object.assign(this, { source: reading, keptFor: key, store: {} });
    return (this.store[name] ??= make());
  }

  /** The numbers of the chosen cell, as a sum that can be checked. */
  describe() {
    const { frame, reading, place } = this;
    const { query, key, feature } = place;
    const words = { query: isolate(reading.word(query)), key: isolate(reading.word(key)), feature, d: reading.model.config.head_dim };
    const [product, score] = [reading.product(place, query, key), reading.score(place, query, key)];
    const numbers = { product: decimal(product), score: decimal(score), bias: decimal(score - product / Math.sqrt(words.d)) };
    if (place.stage === "product") return frame.t("cell_product", { ...words, ...numbers });
    if (place.stage === "scaled") return frame.t(hasBias(reading) ? "cell_bias" : "cell_scaled", { ...words, ...numbers });
    if (place.stage === "output") return frame.t("cell_output", { ...words, value: decimal(reading.output(place, query)[feature]) });
    if (!reading.open(query, key)) return frame.t("cell_masked", words);
    if (place.stage === "masked") return frame.t("cell_open", { ...words, ...numbers });
    const total = reading.keys(query).reduce((sum, each) => sum + Math.exp(reading.score(place, query, each)), 0);
    const sums = { power: significant(Math.exp(score)), total: significant(total), weight: decimal(reading.weight(place, query, key)) };
    return frame.t("cell_weights", { ...numbers, ...sums });
  }
}

const TELL = {
  product: (frame) => frame.t("tell_product"),
  scaled: (frame, d) => frame.t("tell_scaled", { d: `√${d} = ${decimal(Math.sqrt(d))}` }),
  masked: (frame) => frame.t("tell_masked"),
  weights: (frame) => frame.t("tell_weights"),
  output: (frame) => frame.t("tell_output"),
};

/** Whether scores hold a bias for the distance beside the products. @param {HeadReading} reading */
export function hasBias(reading) {
  return ["alibi", "relative"].includes(reading.model.config.position);
}

function ends(values) {
  const finite = values.filter(Number.isFinite);
  return finite.length ? [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

/** A positive number with four digits that count. */
function significant(value) {
  return value >= 1e6 || value < 1e-3 ? value.toExponential(3).replace("-", "−") : String(Number(value.toPrecision(4)));
}
