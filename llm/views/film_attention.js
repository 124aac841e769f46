/** What one head attends to in a fixed story: heads to choose from, the story, the whole map. */

import { shade } from "./chart.js";
import { Heatmap } from "./heatmap.js";
import { h, isolate, markOption, number, roving } from "./parts.js";

const GRADES = 15;

export class FilmAttention {
  /** @param {import("./frame.js").Frame} frame @param {(change: Record<string, number>) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    this.heads = h("div", { class: "llm-heads", role: "listbox", "aria-label": frame.t("heads_label") });
    roving(this.heads, { select: (i) => this.chooseHead(i), hover: () => {}, columns: () => this.film.n_heads });
    this.text = h("div", { class: "llm-story", dir: "auto", role: "listbox", "aria-label": frame.t("story_label") });
    roving(this.text, { select: (i) => this.chooseRow(i), hover: () => {} });
    this.map = new Heatmap(frame.t("map_label"), (row, column) => change({ row, column }));
    this.readout = h("p", { class: "llm-message", id: frame.id("readout") });
    this.map.element.setAttribute("aria-describedby", this.readout.id);
    const left = h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, frame.t("heads_legend")), this.heads, this.map.element, scale(frame));
    const right = h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, frame.t("story_legend")), this.text, this.readout);
    this.element = h("div", { class: "llm-pair llm-attention" }, left, right);
  }

  chooseHead(index) {
    const { n_heads } = this.film;
    const [layer, head] = [Math.floor(index / n_heads), index % n_heads];
    if (layer !== this.layer || head !== this.head) this.change({ layer, head });
  }

  /** A token chosen in the story: the query, and the key that it attends to most. */
  chooseRow(row) {
    if (row !== this.cell[0]) this.change({ row, column: this.strongest(row) });
  }

  strongest(row) {
    const weights = Array.from({ length: row + 1 }, (_, column) => this.weight(row, column));
    return weights.indexOf(Math.max(...weights));
  }

  /** The weight that the token at `row` gives to the one at `column`. */
  weight(row, column) {
    return parseInt(this.digits[(row * (row + 1)) / 2 + column], 16) / GRADES;
  }

  /** @param {any} film @param {import("./film_view.js").Moment} moment @param {Record<string, number>} state */
  draw(film, moment, state) {
    const size = film.tokens.length;
    state.layer = Math.min(state.layer, film.n_layers - 1);
    state.head = Math.min(state.head, film.n_heads - 1);
    state.row = Math.min(state.row, size - 1);
    state.column = Math.min(state.column, state.row);
    Object.assign(this, { film, layer: state.layer, head: state.head, cell: [state.row, state.column] });
    this.digits = moment.attention[state.layer][state.head];
    this.drawHeads(film, moment);
    this.drawStory(film);
    this.map.draw(size, (row, column) => this.weight(row, column), this.cell);
    this.readout.textContent = this.describe(film, moment);
  }

  drawHeads({ n_layers, n_heads }, moment) {
    if (this.heads.childElementCount !== n_layers * n_heads) {
      this.heads.style.setProperty("--heads", n_heads);
      const name = (i) => `${Math.floor(i / n_heads)}.${i % n_heads}`;
      const cells = Array.from({ length: n_layers * n_heads }, (_, i) => h("span", { role: "option", tabindex: -1, class: "llm-head-cell" }, name(i), h("span", { class: "llm-score" })));
      this.heads.replaceChildren(...cells);
    }
    const options = [...this.heads.children];
    options.forEach((option, i) => {
      const [layer, head] = [Math.floor(i / n_heads), i % n_heads];
      option.style.setProperty("--score", moment.answer[layer][head]);
      option.setAttribute("aria-label", this.frame.t("head_name", scores(moment, layer, head)));
    });
    markOption(options, this.layer * n_heads + this.head);
  }

  drawStory({ tokens }) {
    if (this.story !== tokens) {
      this.story = tokens;
      this.text.replaceChildren(...tokens.map((token) => h("span", { role: "option", tabindex: -1, class: "llm-story-token" }, token)));
    }
    const [row, column] = this.cell;
    const options = [...this.text.children];
    options.forEach((option, i) => {
      const weight = i <= row ? this.weight(row, i) : 0;
      option.style.setProperty("--weight", weight);
      option.classList.toggle("llm-key", i === column);
      option.classList.toggle("llm-later", i > row);
      option.setAttribute("aria-label", i <= row ? `${tokens[i].trim()}, ${number(weight)}` : tokens[i].trim());
    });
    markOption(options, row);
  }

  describe({ tokens }, moment) {
    const [row, column] = this.cell;
    const words = { from: isolate(tokens[row].trim()), to: isolate(tokens[column].trim()), weight: this.weight(row, column).toFixed(2) };
    return this.frame.t("readout", { ...words, ...scores(moment, this.layer, this.head) });
  }
}

/** The key to the map's colours, from no attention to all of it. @param {import("./frame.js").Frame} frame */
function scale(frame) {
  const colours = Array.from({ length: GRADES + 1 }, (_, grade) => h("span", { style: `background: ${shade(grade / GRADES)}` }));
  return h("p", { class: "llm-legend llm-scale" }, frame.t("scale_none"), h("span", { "aria-hidden": "true" }, colours), frame.t("scale_all"));
}

/** A head's number and scores, for a sentence. */
function scores({ previous, induction, answer }, layer, head) {
  const of = (table) => table[layer][head].toFixed(2);
  return { layer, head, before: of(previous), copy: of(induction), answer: of(answer) };
}
