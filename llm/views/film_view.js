/** What can the model do at this moment of its training? Python's half is `film_view.py`. */

import { choice, debounce, h } from "./parts.js";
import { FilmAttention } from "./film_attention.js";
import { FilmCurve } from "./film_curve.js";
import { FilmSentence } from "./film_sentence.js";
import { FilmWords } from "./film_words.js";
import { KNOWN, KnownLast } from "./film_quiz.js";
import { gunzip } from "./packed.js";
import { Player } from "./player.js";

/**
 * @typedef {object} Moment
 * @property {number} step
 * @property {number} loss
 * @property {number} floor
 * @property {number} owner
 * @property {Record<string, [number, number]>} kinds  share that is the first choice, and loss
 * @property {string} sample
 * @property {string[][]} attention
 * @property {[number, number][]} points
 */

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new FilmView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.arrive(state));
  view.update();
  frame.loadWhenSeen(() => view.start());
}

class FilmView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.films = new Map();
    this.state = { ...frame.data.films[0].state };
    this.player = new Player(frame, (index) => this.change({ step: this.film.moments[index].step }));
    this.curve = new FilmCurve(frame, (step) => this.change({ step }));
    this.attention = new FilmAttention(frame, (change) => this.change(change));
    this.words = new FilmWords(frame, (group) => this.change({ group }));
    this.sentence = new FilmSentence(frame, (change) => this.change(change));
    this.quiz = new KnownLast(frame);
    this.build();
  }

  build() {
    const { frame } = this;
    const part = (title, ...content) => h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, title), ...content);
    this.choice = this.filmChoice();
    this.status = h("p", { class: "llm-message" });
    this.kinds = h("div", { class: "llm-kinds" });
    this.sample = h("blockquote", { class: "llm-sample", dir: "auto" });
    const numbers = h("div", { class: "llm-pair" }, part(frame.t("kinds_title"), this.kinds), part(frame.t("sample_title"), this.sample));
    const attention = part(frame.t("attention_title"), this.attention.element);
    const words = part(frame.t("words_title"), this.words.element);
    this.picture = h("div", { class: "llm-film", hidden: true }, this.curve.element, this.status, numbers, attention, words);
    frame.body.append(this.choice, this.quiz.element, this.picture, this.sentence.element, this.player.element);
    this.player.element.classList.add("llm-timeline");
    new ResizeObserver(debounce(() => this.update(), 100)).observe(frame.body);
  }

  filmChoice() {
    const { frame } = this;
    const choices = frame.data.films.map(({ name }) => ({ value: name, content: [h("span", {}, frame.named("film", name))] }));
    const box = choice({ name: frame.id("film"), legend: frame.t("films_label"), choices },
      (film) => this.change({ film }));
    box.hidden = choices.length < 2;
    return box;
  }

  /** The view is in sight: from now on films are loaded when they are chosen. */
  start() {
    this.seen = true;
    return this.load();
  }

  /** Get the chosen film, once it is wanted. */
  async load() {
    const { frame, films, state } = this;
    const { name, file } = frame.data.films.find((film) => film.name === state.film);
    if (films.has(name)) return;
    films.set(name, undefined); // on its way
    this.tellState();
    try {
      films.set(name, await (await gunzip(await frame.load(file))).json());
    } catch (error) {
      console.error(error);
      films.set(name, null);
    }
    this.update();
  }

  /** Say that the film is on its way or could not be had. */
  tellState() {
    const { frame, films, state } = this;
    const name = frame.named("film", state.film);
    frame.tell(this.film ? "" : frame.t(films.get(state.film) === null ? "not_loaded" : "loading", { name }));
  }

  /** State from the address; where it holds a sentence, the page leaps to that. */
  arrive(state) {
    this.leap = Boolean(state.sentence);
    this.apply(state);
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.announce(this.spoken(change));
    this.frame.remember();
  }

  /** What to say of a change: the cell that was chosen, or the moment; a sentence is read aloud later. */
  spoken(change) {
    if ("sentence" in change) return "";
    return "row" in change || "head" in change ? this.attention.readout.textContent : this.status.textContent;
  }

  /** State from the reader, the page or the address, made valid. */
  apply(change) {
    const whole = (name) => Math.max(0, Math.trunc(Number(change[name] ?? this.state[name])) || 0);
    const other = this.frame.data.films.find(({ name }) => name === change.film);
    if (other && change.film !== this.state.film) Object.assign(this.state, other.state);
    for (const name of ["step", "layer", "head", "row", "column"]) this.state[name] = whole(name);
    this.state.group = change.group ?? this.state.group;
    if ("sentence" in change) this.keep(change.sentence);
    this.update();
  }

  /** A sentence for the past models; the address holds it if it is not the usual one. */
  keep(sentence) {
    this.sentence.set(sentence);
    if (this.sentence.changed) this.state.sentence = this.sentence.sentence;
    else delete this.state.sentence;
  }

  get film() {
    return this.films.get(this.state.film);
  }

  update() {
    const { film, state } = this;
    this.choice.querySelector(`input[value="${CSS.escape(state.film)}"]`).checked = true;
    if (this.seen) this.load();
    this.tellState();
    this.frame.body.classList.toggle("llm-loading", !film && this.films.get(state.film) !== null);
    this.picture.hidden = this.player.element.hidden = this.quiz.element.hidden = !film;
    if (!film) return this.sentence.hide();
    this.index = nearest(film.moments, state.step);
    const moment = film.moments[this.index];
    state.step = moment.step;
    this.player.stand(this.index, film.moments.length, this.frame.t("moment", { step: moment.step, last: film.moments.at(-1).step }));
    this.curve.draw(film, moment);
    this.status.textContent = this.describe(moment);
    this.drawKinds(moment);
    this.drawSample(film, moment);
    this.attention.draw(film, moment, state);
    this.words.draw(film, moment, state);
    this.quiz.ask(film);
    this.sentence.show(film, this.index, (step) => nearest(film.moments, step));
    if (this.leap) setTimeout(() => this.sentence.element.scrollIntoView());
    this.leap = false;
    this.frame.redrawTable?.();
  }

  /** Where the model stands, in a sentence. @param {Moment} moment */
  describe({ step, loss, floor, kinds }) {
    const { frame } = this;
    const names = Object.keys(kinds);
    const known = names.filter((name) => kinds[name][0] >= KNOWN);
    const open = names.filter((name) => kinds[name][0] < KNOWN);
    const list = (all) => (all.length ? all.map((name) => frame.named("kind", name)).join(", ") : frame.t("none"));
    const above = Math.round((loss / floor - 1) * 100);
    return frame.t("status", { step, loss, floor, above, known: list(known), open: list(open) });
  }

  /** @param {Moment} moment */
  drawKinds({ kinds, owner }) {
    const { frame } = this;
    const worst = Math.max(4, ...Object.values(kinds).map(([, loss]) => loss));
    const rows = Object.entries(kinds).map(([name, [share, loss]]) => this.bar(frame.named("kind", name), loss / worst, loss.toFixed(2), share));
    const closing = h("p", { class: "llm-legend" }, frame.t("owner", { share: Math.round(owner * 100) }));
    const head = h("div", { class: "llm-kind llm-legend", "aria-hidden": "true" },
      h("span", {}, ""), h("span", {}, ""), h("span", {}, frame.t("kind_loss")), h("span", {}, frame.t("kind_share")));
    this.kinds.replaceChildren(head, ...rows, closing);
  }

  bar(name, part, loss, share) {
    const fill = h("span", { style: `inline-size: ${(part * 100).toFixed(1)}%` });
    const known = share >= KNOWN ? " llm-known" : "";
    return h("div", { class: `llm-kind${known}` }, h("span", {}, name),
      h("span", { class: "llm-bar", "aria-hidden": "true" }, fill),
      h("span", { class: "llm-number" }, loss), h("span", { class: "llm-number llm-share" }, `${Math.round(share * 100)} %`));
  }

  /** @param {Moment} moment */
  drawSample({ prompt }, { sample }) {
    const begins = sample.startsWith(prompt);
    this.sample.replaceChildren(h("b", {}, begins ? prompt : ""), begins ? sample.slice(prompt.length) : sample);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, film } = this;
    if (!film) return { caption: frame.t("loading"), head: [], rows: [] };
    const kinds = Object.keys(film.moments[0].kinds);
    const head = [frame.t("table_step"), frame.t("table_loss"), frame.t("table_owner"), ...kinds.map((k) => frame.named("kind", k)), frame.t("table_sample")];
    const rows = film.moments.map((m) => [m.step, m.loss, m.owner, ...kinds.map((k) => m.kinds[k][0]), m.sample]);
    return { caption: frame.t("table_caption", { name: frame.named("film", film.name) }), head, rows };
  }
}

/** The moment nearest to a step, by its index. @param {Moment[]} moments @param {number} step */
function nearest(moments, step) {
  const distance = (moment) => Math.abs(moment.step - step);
  return moments.reduce((best, moment, i) => (distance(moment) < distance(moments[best]) ? i : best), 0);
}
