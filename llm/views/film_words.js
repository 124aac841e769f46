/** A map of the words' embeddings: those that are used alike drift together. */

import { s, sign } from "./chart.js";
import { choice, h } from "./parts.js";

const WIDEST = 480;
const LINE = 17; // between the names of two points
const ROOM = 110; // for a name at the right edge

export class FilmWords {
  /** @param {import("./frame.js").Frame} frame @param {(group: string) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, choose });
    this.svg = s("svg", { role: "img", class: "llm-words", "aria-label": frame.t("words_label") });
    this.legend = h("div");
    this.near = h("p", { class: "llm-legend", id: frame.id("near") });
    this.svg.setAttribute("aria-describedby", this.near.id);
    this.element = h("div", { class: "llm-pair" }, this.svg, h("div", { class: "llm-column" }, this.legend, this.near));
  }

  /** @param {any} film @param {import("./film_view.js").Moment} moment @param {{group: string}} state */
  draw(film, moment, state) {
    const groups = [...new Set(film.words.map(([group]) => group))];
    if (!groups.includes(state.group)) state.group = groups[0];
    if (film.words !== this.known) this.build(film.words, groups);
    this.legend.querySelector(`input[value="${CSS.escape(state.group)}"]`).checked = true;
    const side = this.side = Math.min(WIDEST, this.svg.clientWidth || WIDEST);
    this.svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
    const place = (value) => side / 2 + (value / 1000) * (side / 2 - 24);
    const places = moment.points.map(([x, y]) => [place(x), place(-y)]);
    film.words.forEach(([group], i) => {
      this.points[i].setAttribute("transform", `translate(${places[i].join(" ")})`);
      this.points[i].classList.toggle("llm-chosen", group === state.group);
    });
    const chosen = film.words.flatMap(([group], i) => (group === state.group ? [i] : []));
    this.label(places, chosen);
    const pairs = chosen.map((i) => `${film.words[i][1]} – ${film.words[neighbour(places, i)][1]}`);
    this.near.textContent = this.frame.t("words_near", { pairs: pairs.join(", ") });
  }

  /** Put the names of some points where none covers another. @param {[number, number][]} places */
  label(places, chosen) {
    const order = chosen.toSorted((a, b) => places[a][1] - places[b][1]);
    const lines = stackLines(order.map((i) => places[i][1] + 5), this.side - 6);
    order.forEach((i, place) => {
      const [x, y] = places[i];
      const left = x > this.side - ROOM;
      const text = this.points[i].lastChild;
      const down = lines[place] - y;
      text.setAttribute("x", left ? -10 : 10);
      text.setAttribute("y", down);
      const line = Math.abs(down) > LINE ? `M0 0L${left ? -8 : 8} ${down - 4}` : "";
      text.previousSibling.setAttribute("d", line);
      text.setAttribute("text-anchor", left ? "end" : "start");
    });
  }

  build(words, groups) {
    this.known = words;
    this.points = words.map(([group, word]) => {
      const kind = groups.indexOf(group);
      return s("g", { class: `llm-word-point llm-group-${kind}` },
        s("title", {}, word), s("path", { d: sign(kind) }), s("path", { class: "llm-leader" }), s("text", { x: 8, y: 4 }, word));
    });
    this.svg.replaceChildren(...this.points);
    const mark = (kind) => s("svg", { viewBox: "-7 -7 14 14", class: `llm-sign llm-word-point llm-chosen llm-group-${kind}`, "aria-hidden": "true" },
      s("path", { d: sign(kind) }));
    const choices = groups.map((group, kind) => ({
      value: group,
      content: [h("span", { class: "llm-group" }, mark(kind), this.frame.named("group", group))],
    }));
    const legend = this.frame.t("groups_label");
    this.legend.replaceChildren(choice({ name: this.frame.id("group"), legend, choices }, this.choose));
  }
}

/** The point that lies nearest to one, by its index. @param {[number, number][]} places @param {number} from */
function neighbour(places, from) {
  const distance = (i) => (i === from ? Infinity : Math.hypot(places[i][0] - places[from][0], places[i][1] - places[from][1]));
  return places.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), from);
}

/** Heights for lines of text, each below the one before, and all above the end. @param {number[]} heights */
function stackLines(heights, end) {
  const lines = [];
  for (const height of heights) lines.push(Math.max(height, (lines.at(-1) ?? 0) + LINE));
  for (let i = lines.length - 1, limit = end; i >= 0; i--, limit = lines[i + 1] - LINE) lines[i] = Math.min(lines[i], limit);
  return lines;
}
