/** What does a model of this size cost? Python's half is `scale_view.py`. */

import { button, choice, h } from "./parts.js";
import { Prediction } from "./predict.js";
import { memoryTerms, operationTerms, parameterTerms, resizedConfig, sumOf } from "./scale_costs.js";

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const COSTS = [["parameters", parameterTerms], ["operations", operationTerms], ["memory", memoryTerms]];

/** What is asked: a change, the number that is looked at, and the answers, as factors. */
const GUESSES = [
  { key: "width", change: (s) => ({ wide: s.wide + 1 }), back: { wide: 0 }, free: (s) => s.wide < 2, of: (c) => parameterTerms(c).ffn, answers: [2, 4, 8] },
  { key: "scores", change: (s) => ({ place: s.place + 1 }), back: { place: 10 }, free: (s) => s.place < 17, of: (c, T) => operationTerms(c, T).scores, answers: [1, 2, 4] },
  { key: "cache", change: (s) => ({ wide: s.wide + 1 }), back: { wide: 0 }, free: (s) => s.wide < 2, of: (c, T) => memoryTerms(c, T).cache, answers: [1, 2, 4] },
];

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new ScaleView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
}

class ScaleView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    const { models, start } = frame.data;
    Object.assign(this, { frame, models, asked: 0, answered: false });
    const { model, wide, deep, place } = start;
    this.state = { model, wide, deep, place };
    this.build();
  }

  build() {
    const { frame, models } = this;
    const { steps, places } = frame.data;
    const choices = models.map((model) => ({
      value: model.name, content: [h("span", { class: "llm-name" }, model.name), h("span", { class: "llm-count" }, shortCount(sumOf(parameterTerms(model))))],
    }));
    this.choice = choice({ name: frame.id("model"), legend: frame.t("models_label"), choices }, (model) => this.change({ model, wide: 0, deep: 0 }));
    this.sliders = [["wide", steps], ["deep", steps], ["place", places]].map(([name, range]) => this.slider(name, range));
    this.guess = new Prediction(frame, "guess");
    this.more = button(frame.t("next_question"), () => this.nextQuestion());
    this.tell = h("p", { class: "llm-message" });
    this.parts = COSTS.map(([part]) => ({ part, title: h("p", { class: "llm-subtitle" }), list: h("dl", { class: "llm-scale-terms" }) }));
    this.picture = h("section", { class: "llm-part llm-scale" }, this.parts.map(({ title, list }) => h("div", {}, title, list)));
    const sliders = h("div", { class: "llm-scale-sliders", role: "group", "aria-label": frame.t("sliders_label") }, this.sliders.map(({ element }) => element));
    frame.body.append(this.choice, sliders, h("div", {}, this.guess.element, h("div", { class: "llm-controls" }, this.more)), this.picture, this.tell);
  }

  slider(name, [min, max]) {
    const { frame } = this;
    const id = frame.id(name);
    const input = h("input", { id, type: "range", min, max, step: 1 });
    input.addEventListener("input", () => this.change({ [name]: Number(input.value) }));
    const output = h("output", { for: id, class: "llm-place" });
    const element = h("div", { class: "llm-scale-slider" }, h("label", { for: id }, frame.t(`slider_${name}`)), output, input);
    return { name, input, output, element };
  }

  get tokens() {
    return 2 ** this.state.place;
  }

  get config() {
    const { model, wide, deep } = this.state;
    return resizedConfig(this.models.find(({ name }) => name === model), wide, deep, this.tokens);
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    this.frame.announce(this.tell.textContent);
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state, frame } = this;
    const whole = (value, [low, high], usual) => (Number.isFinite(parseInt(value, 10)) ? Math.min(high, Math.max(low, parseInt(value, 10))) : usual);
    if (this.models.some(({ name }) => name === change.model)) state.model = change.model;
    for (const name of ["wide", "deep"]) if (name in change) state[name] = whole(change[name], frame.data.steps, state[name]);
    if ("place" in change) state.place = whole(change.place, frame.data.places, state.place);
    if ("tokens" in change) state.place = whole(Math.log2(Number(change.tokens)), frame.data.places, state.place);
    this.answered = false;
    this.update();
  }

  update() {
    const { frame, state, config, tokens } = this;
    this.choice.querySelector(`input[value="${CSS.escape(state.model)}"]`).checked = true;
    const said = { wide: frame.t("width_said", { d: config.d_model, heads: config.n_heads }), deep: frame.t("layers_said", { n: config.n_layers }), place: frame.t("tokens_said", { n: tokens }) };
    for (const { name, input, output } of this.sliders) {
      input.value = state[name];
      output.textContent = said[name];
      input.setAttribute("aria-valuetext", said[name]);
    }
    this.draw();
    if (!this.answered) this.ask();
    frame.redrawTable?.();
  }

  draw() {
    const { frame, config, tokens } = this;
    const costs = COSTS.map(([, terms]) => terms(config, tokens));
    this.parts.forEach(({ part, title, list }, i) => {
      const most = Math.max(...Object.values(costs[i]));
      const total = sumOf(costs[i]);
      title.textContent = frame.t(`title_${part}`, { total: part === "operations" ? shortCount(total) : total.toLocaleString("en") });
      list.replaceChildren(...Object.entries(costs[i]).flatMap(([term, value]) => [
        h("dt", {}, frame.t(`term_${part}_${term}`)),
        h("dd", {}, h("span", { class: "llm-bar" }, h("span", { style: `inline-size: ${((100 * value) / most).toFixed(1)}%` })),
          h("span", { class: "llm-number" }, part === "memory" ? byteSize(value) : shortCount(value)),
          h("span", { class: "llm-legend" }, part === "memory" ? "" : shareOf(value, total)))]));
    });
    const [counts, work, memory] = costs;
    const n = sumOf(counts);
    this.tell.textContent = frame.t("told", {
      n: n.toLocaleString("en"), share: shareOf(work.scores, sumOf(work)), flops: shortCount(6 * n * 20 * n), tokens: shortCount(20 * n), cards: Math.ceil(memory.train / 80e9).toLocaleString("en"),
    });
  }

  ask() {
    const { frame, state } = this;
    const { key, answers } = GUESSES[this.asked];
    const choices = answers.map((factor) => frame.t(factor === 1 ? "factor_same" : "factor", { factor }));
    this.guess.ask(frame.t(`ask_${key}`, { model: state.model }), choices, (i) => this.answer(i));
  }

  answer(chosen) {
    const { frame } = this;
    const { key, change, of, answers, free, back } = GUESSES[this.asked];
    if (!free(this.state)) Object.assign(this.state, back);
    const before = of(this.config, this.tokens);
    this.state = Object.assign(this.state, change(this.state));
    const factor = of(this.config, this.tokens) / before;
    this.answered = true;
    const right = answers.reduce((best, value, i) => (Math.abs(value - factor) < Math.abs(answers[best] - factor) ? i : best), 0);
    this.guess.close(right);
    this.update();
    frame.remember();
    this.guess.say(`${frame.t(chosen === right ? "right" : "wrong")} ${frame.t(`why_${key}`, { factor: factor.toFixed(1) })}`);
  }

  nextQuestion() {
    this.asked = (this.asked + 1) % GUESSES.length;
    this.answered = false;
    this.ask();
    this.guess.buttons[0].focus();
  }

  /** All numbers, for the toolbar. */
  table() {
    const { frame, config, tokens } = this;
    const head = ["part", "term", "number"].map((name) => frame.t(`column_${name}`));
    const rows = COSTS.flatMap(([part, terms]) => Object.entries(terms(config, tokens)).map(([term, value]) => [frame.t(`part_${part}`), frame.t(`term_${part}_${term}`), value]));
    return { caption: frame.t("table_caption", { model: this.state.model, d: config.d_model, layers: config.n_layers, n: tokens }), head, rows };
  }
}

/** A large count in words, with three figures. */
function shortCount(value) {
  if (value >= 1e15) return value.toExponential(2).replace(/e\+(\d+)/, (_, power) => ` · 10^${power}`);
  const [size, name] = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"], [1, ""]].find(([least]) => value >= least) ?? [1, ""];
  return `${(value / size).toLocaleString("en", size === 1 ? {} : { maximumSignificantDigits: 3 })} ${name}`.trim();
}

function byteSize(value) {
  const power = value < 1 ? 0 : Math.min(BYTES.length - 1, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toLocaleString("en", { maximumSignificantDigits: 4 })} ${BYTES[power]}`;
}

function shareOf(value, total) {
  return `${((100 * value) / total).toFixed(1)}%`;
}
