/** What would the model say if it ended here, and who brought the word? Python's half is `lens_view.py`. */

import { button, h, isolate } from "./parts.js";
import { LensGrid, SharePart, placeName } from "./lens_parts.js";
import { LensReading, headNames, headsOff, placeNames } from "./lens_reading.js";
import { Prediction } from "./predict.js";
import { likeliest } from "./block_stream.js";
import { loadModel } from "./language_model.js";
import { percent } from "./token_strip.js";

const LISTED = 6; // words to choose from
const ANSWERS = 4;

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new LensView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load());
}

class LensView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { prompt, token, place, off, models: [spec] } = frame.data;
    Object.assign(this, { frame, spec });
    this.state = { prompt, token, place, word: "", head: off.split(",")[0], off };
    this.build();
  }

  build() {
    const { frame } = this;
    const section = (...content) => h("section", { class: "llm-part llm-lens-part" }, ...content);
    const title = () => h("p", { class: "llm-subtitle" });
    this.grid = new LensGrid(frame, (place, token) => this.change({ place: placeNames(this.spec.config)[place], token, ...(token === this.token ? {} : { word: "" }) }));
    [this.saysTitle, this.sharesTitle] = [title(), title()];
    this.words = h("div", { class: "llm-choices" });
    this.saysLegend = h("p", { class: "llm-legend" });
    this.share = new SharePart(frame, (head) => this.change({ head }));
    this.prediction = new Prediction(frame, "quiz");
    this.toggle = button("", () => this.switch(), { "aria-pressed": false });
    this.reset = button(frame.t("all_on"), () => this.change({ off: "" }));
    this.status = h("p", { class: "llm-message" });
    this.picture = section(h("p", { class: "llm-subtitle" }, frame.t("grid_title")), this.grid.box, h("p", { class: "llm-legend" }, frame.t("grid_legend")));
    this.parts = h("div", { class: "llm-lens-view", hidden: true }, this.picture, section(this.saysTitle, this.words, this.saysLegend),
      section(this.sharesTitle, this.share.element, this.prediction.element, h("div", { class: "llm-controls" }, this.toggle, this.reset), this.status));
    frame.body.append(this.textField(), this.parts);
  }

  textField() {
    const { frame } = this;
    const id = frame.id("prompt");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => {
      cancelAnimationFrame(this.soon);
      this.soon = requestAnimationFrame(() => this.change({ prompt: this.input.value }));
    });
    const examples = frame.data.examples.map((prompt) => button(tail(prompt), () => this.change({ prompt }), { dir: "auto", title: prompt }));
    return h("div", { class: "llm-field" }, h("label", { for: id }, frame.t("text_label")), this.input, h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples));
  }

  async load() {
    try {
      this.model = await loadModel(this.frame, this.spec);
      this.model.config = { ...this.model.config, max_seq_len: Math.min(this.model.config.max_seq_len, this.frame.data.tokens) };
    } catch (error) {
      console.error(error);
      this.failed = true;
    }
    this.update();
  }

  /** A change made by the reader. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    if ("off" in change || !this.reading) this.frame.announce(this.status.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state, spec: { config } } = this;
    if ("prompt" in change && change.prompt !== state.prompt) Object.assign(state, { token: -1, word: "" });
    if ("token" in change) state.token = Math.trunc(Number(change.token)) || 0;
    for (const name of ["prompt", "word"]) if (name in change) state[name] = String(change[name]);
    const off = headsOff(String(change.off ?? state.off), config);
    state.off = off.join(",");
    if (placeNames(config).includes(change.place)) state.place = change.place;
    const wanted = change.head ?? ("off" in change && off.length && !off.includes(state.head) ? off[0] : state.head);
    state.head = headNames(config).includes(wanted) ? wanted : (off[0] ?? "");
    this.update();
  }

  update() {
    const { frame, state, model } = this;
    const letters = Array.from(state.prompt.replace(/\p{Surrogate}/gu, "\ufffd"));
    const { limit } = frame.data;
    state.prompt = letters.slice(0, limit).join("");
    if (this.input.value !== state.prompt) this.input.value = state.prompt;
    frame.body.classList.toggle("llm-loading", !model && !this.failed);
    const name = this.spec.name;
    if (model) this.read();
    const notes = model ? this.notes : [frame.t(this.failed ? "not_loaded" : "loading", { name })];
    frame.tell([letters.length > limit && frame.t("long", { length: letters.length, limit }), ...notes].filter(Boolean).join(" "));
    this.parts.hidden = !this.reading;
    if (this.reading) this.draw();
    frame.redrawTable?.();
  }

  read() {
    const { frame, model, state, spec } = this;
    if (this.whole?.prompt !== state.prompt) {
      this.whole = Object.assign(new LensReading(model, state.prompt, spec.stories ? frame.data.words : null), { prompt: state.prompt });
      this.reading = null;
    }
    const { whole } = this;
    const letters = whole.unknown.map((letter) => isolate(letter)).join(", ");
    this.notes = [
      whole.cut && frame.t("cut", { cut: whole.cut, room: model.config.max_seq_len }),
      letters && frame.t("unknown", { letters }),
      !whole.length && frame.t("empty"),
    ];
    if (!whole.length) this.reading = null;
    else if (!state.off) this.reading = whole;
    else if (this.reading?.off !== state.off) this.reading = Object.assign(whole.withoutHeads(state.off.split(",")), { off: state.off });
  }

  /** The token that is looked at; counted from the end where the number is negative. */
  get token() {
    const { length } = this.whole;
    const { token } = this.state;
    return Math.max(0, Math.min(token < 0 ? length + token : token, length - 1));
  }

  /** The word that is taken apart: the chosen one, or what the whole model puts first. */
  get id() {
    const chances = this.whole.chancesAt(this.token);
    const named = this.state.word ? sorted(chances).find((id) => this.word(id) === this.state.word) : undefined;
    return named ?? likeliest(chances);
  }

  word(id) {
    return this.model.word(id);
  }

  draw() {
    const { frame, reading, whole, state, token, id, spec: { config } } = this;
    const places = placeNames(config);
    const tokens = whole.ids.map((_, t) => whole.word(t));
    this.grid.draw({ places, tokens, firsts: reading.firsts(), word: (i) => this.word(i), place: places.indexOf(state.place), token });
    const shown = { token: isolate(tokens[token]), word: isolate(this.word(id)) };
    this.saysTitle.textContent = frame.t("says_title", { ...shown, place: placeName(frame, state.place) });
    const chances = reading.chancesAtPlace(state.place, token);
    this.words.replaceChildren(...sorted(chances).slice(0, LISTED).map((i) =>
      button(frame.t("word_option", { word: isolate(this.word(i)), p: percent(chances[i]) }), () => this.pick(i), { "aria-pressed": String(i === id) })));
    this.saysLegend.textContent = frame.t("says_legend", shown);
    this.sharesTitle.textContent = frame.t("shares_title", shown);
    const shares = reading.shares(id, token);
    const off = state.off ? state.off.split(",") : [];
    const heads = headNames(config);
    state.head ||= heads.reduce((best, head) => (shares.get(head) > shares.get(best) ? head : best));
    this.share.draw({ shares, heads, columns: config.n_heads, chosen: state.head, off, logit: reading.logitsAt(token)[id] });
    const isOff = off.includes(state.head);
    this.toggle.textContent = frame.t(isOff ? "switch_on" : "switch_off", { head: state.head });
    this.toggle.setAttribute("aria-pressed", isOff);
    this.reset.hidden = !off.length;
    this.compare(off);
    this.ask(off, shown.token);
  }

  pick(id) {
    this.change({ word: this.word(id) });
    this.words.querySelector("[aria-pressed=true]")?.focus();
  }

  switch() {
    const { head, off } = this.state;
    const heads = off ? off.split(",") : [];
    this.change({ off: (heads.includes(head) ? heads.filter((other) => other !== head) : [...heads, head]).join(",") });
  }

  /** What switching off has changed. */
  compare(off) {
    const { frame, whole, reading, token } = this;
    const said = (chances) => ({ id: likeliest(chances), p: percent(chances[likeliest(chances)]) });
    const [before, now] = [said(whole.chancesAt(token)), said(reading.chancesAt(token))];
    const words = { word: isolate(this.word(before.id)), p: before.p, heads: off.join(", "), now: isolate(this.word(now.id)), q: now.p };
    this.status.textContent = frame.t(off.length ? "status_off" : "status_whole", words);
  }

  /** A question before a head goes off; the verdict stays while it is off. */
  ask(off, token) {
    const { frame, whole, state: { head } } = this;
    const asked = `${whole.prompt} ${this.token} ${head}`;
    this.prediction.element.hidden = off.length > 0 && this.asked !== asked;
    if (off.length || (this.asked === asked && !this.answered)) return;
    Object.assign(this, { asked, answered: false });
    const first = likeliest(whole.chancesAt(this.token));
    const after = sorted(whole.withoutHeads([head]).chancesAt(this.token));
    const ids = [...new Set([first, ...after])].slice(0, ANSWERS).sort((a, b) => a - b);
    const label = (id) => (id === first ? frame.t("stays", { word: isolate(this.word(id)) }) : isolate(this.word(id)));
    this.prediction.show();
    this.prediction.ask(frame.t("quiz", { head, token }), ids.map(label), (i) => {
      this.prediction.close(ids.indexOf(after[0]));
      this.prediction.say(frame.t(ids[i] === after[0] ? "right" : "wrong", { guess: label(ids[i]), answer: label(after[0]) }));
      this.change({ off: head });
      this.answered = true;
      this.toggle.focus();
    });
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, reading } = this;
    if (!reading) return { caption: frame.t("loading", { name: this.spec.name }), head: [], rows: [] };
    const { token, id, spec: { config } } = this;
    const caption = frame.t("table_caption", { token: isolate(reading.word(token)), text: reading.textTo(token) });
    const firsts = reading.firsts();
    const rows = placeNames(config).map((place, i) => [placeName(frame, place), this.word(firsts[i][token].id), Number(firsts[i][token].p.toFixed(4))]);
    const shares = [...reading.shares(id, token)].map(([part, share]) => [part, this.word(id), Number(share.toFixed(4))]);
    return { caption, head: [frame.t("column_place"), frame.t("column_says"), frame.t("column_chance")], rows: [...rows, [frame.t("column_part"), "", frame.t("column_brings")], ...shares] };
  }
}

/** Ids from the likeliest on. @param {Float64Array} chances */
function sorted(chances) {
  return Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a] || a - b);
}

/** The last words of an example, for its button. */
function tail(text) {
  const words = text.split(/\s+/);
  return words.length > 9 ? `… ${words.slice(-6).join(" ")}` : text;
}
