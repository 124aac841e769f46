/** Which words does the model take to be alike? Python's half is `embedding_view.py`. */

import { button, choice, h, isolate } from "./parts.js";
import { WordSum } from "./embedding_sum.js";
import { FilmWords } from "./film_words.js";
import { gunzip } from "./packed.js";
import { Prediction } from "./predict.js";
import { WordField } from "./word_field.js";
import { wordBars, written3 } from "./word_list.js";
import { WordTable } from "./word_table.js";

const NEAR = 8; // neighbours that are listed
const OFFERED = [0, 3, 9, 40]; // ranks of the neighbours between which the reader chooses

/** Whether a label is a whole word, not a piece of one in quotes. @param {string} label */
function isWord(label) {
  return /^\p{L}{3,}$/u.test(label);
}

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new EmbeddingView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load("trained"));
}

class EmbeddingView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.state = { ...frame.data.state };
    this.places = new Map(frame.data.labels.map((label, id) => [label, id]));
    this.tables = {};
    this.loading = {};
    const change = (values) => this.change(values);
    this.map = new FilmWords(frame, (group) => change({ group }));
    const listId = frame.id("words");
    this.offered = h("datalist", { id: listId }, frame.data.labels.map((label) => h("option", { value: label })));
    this.field = new WordField(frame, "word", listId, change);
    this.sum = new WordSum(frame, listId, change);
    this.prediction = new Prediction(frame, "predict");
    this.build();
  }

  build() {
    const { frame } = this;
    const choices = ["trained", "untrained"].map((value) => ({ value, content: [
      h("span", { class: "llm-way-name" }, frame.named("table", value)), h("span", { class: "llm-name" }, frame.named("note", value))] }));
    this.choice = choice({ name: frame.id("table"), legend: frame.t("tables_label"), choices }, (table) => this.change({ table }));
    const tries = frame.data.tries.map((word) => button(word, () => this.change({ word })));
    const examples = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), tries);
    this.message = h("p", { class: "llm-message" });
    this.list = h("div");
    this.near = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("near_title")), this.list);
    const word = h("section", { class: "llm-column" }, this.field.element, examples, this.message, this.prediction.element, this.near);
    const map = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("map_title")), h("p", { class: "llm-legend" }, frame.t("map_legend")), this.map.element);
    this.picture = h("div", { class: "llm-column llm-embedding" }, h("div", { class: "llm-pair" }, word, this.sum.element), map);
    frame.body.append(this.offered, this.choice, this.picture);
    new ResizeObserver(() => this.resized()).observe(frame.body);
  }

  resized() {
    const width = this.frame.body.clientWidth;
    if (width === this.width) return;
    this.width = width;
    requestAnimationFrame(() => this.drawMap());
  }

  /** Load a table when it is first wanted. @param {"trained" | "untrained"} name */
  load(name) {
    return (this.loading[name] ??= this.fetch(name));
  }

  async fetch(name) {
    const { labels, files } = this.frame.data;
    try {
      const bytes = await (await gunzip(await this.frame.load(files[name]))).arrayBuffer();
      this.tables[name] = new WordTable(labels, new Float32Array(bytes));
      this.problem = "";
    } catch (error) {
      console.error(error);
      this.problem = this.frame.t("not_loaded");
    }
    this.update();
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    const about = ["a", "b", "c", "without"].some((name) => name in change) ? this.sum.said : this.message;
    this.frame.announce(about.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state } = this;
    for (const name of ["word", "a", "b", "c"]) if (name in change) state[name] = Array.from(String(change[name])).slice(0, 40).join("");
    if (Object.hasOwn(this.frame.data.files, change.table)) state.table = change.table;
    for (const name of ["without", "shown"]) if (name in change) state[name] = Number(change[name]) ? 1 : 0;
    const { groups } = this.frame.data;
    const [home] = groups.find(([, words]) => words.includes(state.word)) ?? [];
    if ("word" in change && home) state.group = home;
    if (groups.some(([group]) => group === change.group)) state.group = change.group;
    if (state.table !== "trained") this.load(state.table);
    this.update();
  }

  /** The row of a word, or −1. @param {string} word */
  find(word) {
    return this.places.get(word) ?? -1;
  }

  update() {
    const { frame, state } = this;
    const table = this.tables[state.table];
    const id = this.find(state.word);
    this.choice.querySelector(`input[value="${state.table}"]`).checked = true;
    this.field.draw(state.word, id >= 0);
    this.neighbours = table && id >= 0 ? table.nearest(table.rows[id], NEAR, [id]) : [];
    this.message.textContent = this.sentence(id, table);
    this.near.hidden = !state.shown;
    const items = this.neighbours.map((each) => ({ word: table.labels[each.id], value: each.cosine }));
    this.list.replaceChildren(wordBars(frame.t("near_list"), items, (word) => this.change({ word })));
    this.ask(id, table);
    this.sum.draw(table, state, (word) => this.find(word));
    this.drawMap();
    frame.redrawTable?.();
  }

  sentence(id, table) {
    const { frame, state } = this;
    if (id < 0) return frame.t("unknown", { word: isolate(state.word) });
    if (!table) return this.problem || frame.t("loading");
    if (!state.shown) return "";
    const [first] = this.neighbours;
    return frame.t(state.table === "trained" ? "near_said" : "near_chance", { word: isolate(state.word), near: isolate(table.labels[first.id]), cosine: written3(first.cosine) });
  }

  /** Ask for the nearest word, until the reader has once seen the answer. */
  ask(id, table) {
    const { frame, state } = this;
    this.prediction.element.hidden = Boolean(state.shown) || id < 0 || !table;
    const key = `${state.word} ${state.table}`;
    if (this.prediction.element.hidden || this.asked === key) return;
    this.asked = key;
    const words = table.nearest(table.rows[id], table.labels.length, [id]).map((each) => table.labels[each.id]).filter(isWord);
    const offered = OFFERED.filter((rank) => rank < words.length).map((rank) => words[rank]);
    const [right] = offered;
    const choices = offered.toSorted();
    this.prediction.ask(frame.t("ask", { word: isolate(state.word) }), choices.map(isolate), (chosen) => {
      this.change({ shown: 1 });
      const verdict = frame.t(choices[chosen] === right ? "right" : "wrong", { word: isolate(right) });
      this.message.textContent = `${verdict} ${this.message.textContent}`;
      frame.announce(this.message.textContent);
      this.field.input.focus();
    });
  }

  drawMap() {
    const { words, points } = this.frame.data;
    this.map.draw({ words }, { points: points[this.state.table] }, this.state);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, state, neighbours } = this;
    const labels = frame.data.labels;
    const near = neighbours.map(({ id, cosine }) => [frame.t("near_row"), labels[id], written3(cosine)]);
    const sum = this.sum.found.map(({ id, cosine }) => [`${state.a} − ${state.b} + ${state.c}`, labels[id], written3(cosine)]);
    return { caption: frame.t("table_caption", { word: state.word, table: frame.named("table", state.table) }), head: [frame.t("column_to"), frame.t("column_word"), frame.t("column_cosine")], rows: [...near, ...sum] };
  }
}
