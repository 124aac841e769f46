/** What do six switches cost, from GPT to LLaMA? Python's half is `switch_view.py`. */

import { Prediction } from "./predict.js";
import { button, choice, h, number, tableElement } from "./parts.js";

const FIGURES = ["params", "flops", "kv_bytes", "loss"];
// What is asked when a switch is turned: the figure that teaches most.
const ASKED_OF = { positions: "loss", norm: "params", activation: "flops", heads: "kv_bytes", biases: "params", tying: "loss" };

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new SwitchView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
}

class SwitchView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.state = { ...frame.data.state };
    this.prediction = new Prediction(frame, "predict");
    this.prediction.element.hidden = true;
    this.build();
  }

  build() {
    const { frame } = this;
    const { sizes, switches } = frame.data;
    const choices = sizes.map(({ name }) => ({ value: name, content: [
      h("span", {}, frame.t(`size_${name}`)), h("span", { class: "llm-name" }, frame.t(`note_${name}`))] }));
    this.sizes = choice({ name: frame.id("size"), legend: frame.t("sizes_label"), choices }, (size) => this.change({ size, shown: 1 }));
    this.buttons = switches.map((name) => button(frame.t(`switch_${name}`), () => this.turn(name)));
    const all = (on) => () => this.change({ on, shown: 1 });
    const ends = [button(frame.t("all_off"), all("")), button(frame.t("all_on"), all(switches.join(",")))];
    const label = frame.id("switches");
    const group = h("div", { class: "llm-examples", role: "group", "aria-labelledby": label }, this.buttons);
    this.lines = h("dl", { class: "llm-switch-lines" });
    this.figures = h("div", { class: "llm-switch-figures" });
    const part = (title, ...content) => h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, title), ...content);
    this.picture = h("div", { class: "llm-switch" }, part(frame.t("lines_title"), this.lines), part(frame.t("figures_title"), this.figures));
    const controls = h("div", {}, h("p", { class: "llm-subtitle", id: label }, frame.t("switches_label")), group, h("div", { class: "llm-examples" }, ends));
    frame.body.append(this.sizes, controls, this.prediction.element, this.picture);
  }

  get size() {
    return this.frame.data.sizes.find(({ name }) => name === this.state.size);
  }

  get on() {
    return this.state.on.split(",").filter(Boolean);
  }

  /** What a set of switches costs. @param {string[]} on @returns {(number | null)[]} */
  costs(on) {
    const place = this.frame.data.switches.reduce((sum, name, i) => sum + (on.includes(name) ? 2 ** i : 0), 0);
    return this.size.rows[place];
  }

  /** A switch is turned, and the reader is asked what that does before it is shown. @param {string} name */
  turn(name) {
    const before = this.on;
    const on = before.includes(name) ? before.filter((other) => other !== name) : [...before, name];
    this.change({ on: on.join(","), shown: 0 });
    this.ask(name, before);
  }

  /** @param {string} name @param {string[]} before */
  ask(name, before) {
    const { frame, size } = this;
    const wanted = ASKED_OF[name];
    const figure = wanted === "loss" && size.name !== "small" ? "params" : wanted;
    const at = FIGURES.indexOf(figure);
    const [old, now] = [this.costs(before)[at], this.costs(this.on)[at]];
    const same = figure === "loss" ? frame.data.chance : 0;
    const right = now < old - same ? 0 : now > old + same ? 2 : 1;
    const turned = frame.t(this.on.includes(name) ? "turned_on" : "turned_off", { name: frame.t(`switch_${name}`) });
    const answers = ["less", "same", "more"].map((key) => (figure === "loss" ? frame.t(`loss_${key}`) : frame.t(`count_${key}`)));
    this.prediction.element.hidden = false;
    this.prediction.ask(`${turned} ${frame.t(`ask_${figure}`)}`, answers, (chosen) => {
      this.prediction.close(right);
      this.change({ shown: 1 }, true);
      const values = { before: this.shown(at, old), now: this.shown(at, now) };
      this.prediction.say(`${frame.t(chosen === right ? "right" : "wrong")} ${frame.t(`why_${name}`)} ${frame.t("from_to", values)}`);
    });
  }

  /** A change made by the reader. @param {Record<string, any>} change @param {boolean} [answered] */
  change(change, answered = false) {
    if (!answered) this.prediction.element.hidden = true;
    this.apply(change, answered);
    this.frame.remember();
    if (!answered) this.frame.announce(this.spoken());
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change, answered = false) {
    const { state, frame } = this;
    const { sizes, switches } = frame.data;
    if (!answered) this.prediction.element.hidden = true;
    if (sizes.some(({ name }) => name === change.size)) state.size = change.size;
    const on = String(change.on ?? state.on).split(",");
    state.on = switches.filter((name) => on.includes(name)).join(",");
    state.shown = Number(String(change.shown ?? 1) !== "0");
    this.update();
  }

  update() {
    const { frame, state, on } = this;
    const { switches } = frame.data;
    this.sizes.querySelector(`input[value="${state.size}"]`).checked = true;
    this.buttons.forEach((element, i) => element.setAttribute("aria-pressed", on.includes(switches[i])));
    this.lines.replaceChildren(...switches.flatMap((name) => this.line(name, on.includes(name))));
    const show = button(frame.t("show"), () => this.change({ shown: 1 }));
    this.figures.replaceChildren(tableElement(this.table()), ...(state.shown ? [] : [show]));
  }

  /** A line of the model, as GPT has it, and if the switch is turned as LLaMA has it. */
  line(name, turned) {
    const [H, kv, D] = this.size.heads;
    const heads = { heads: String(H), shared: String(kv), size: String(D) };
    const old = h(turned ? "del" : "span", {}, h("code", {}, this.frame.t(`gpt_${name}`, heads)));
    const now = turned ? [" ", h("ins", {}, h("code", {}, this.frame.t(`llama_${name}`, heads)))] : [];
    return [h("dt", {}, this.frame.t(`switch_${name}`)), h("dd", {}, old, ...now)];
  }

  /** A figure as it is read. @param {number} at  its place in FIGURES @param {number | null} value */
  shown(at, value) {
    if (value == null) return this.frame.t("not_measured");
    return FIGURES[at] === "loss" ? value.toFixed(3) : number(value);
  }

  table() {
    const { frame, state, on } = this;
    const [gpt, yours] = [this.costs([]), this.costs(on)];
    const rows = FIGURES.map((figure, at) => [
      frame.t(`figure_${figure}`), this.shown(at, gpt[at]),
      ...(state.shown ? [this.shown(at, yours[at]), this.difference(at, gpt[at], yours[at])] : ["?", "?"]),
    ]);
    const caption = frame.t("figures_caption", { size: frame.t(`size_${state.size}`), n: on.length });
    return { caption, head: [frame.t("column_figure"), frame.t("gpt"), frame.t("yours"), frame.t("column_change")], rows };
  }

  /** The difference of two figures, with its sign. */
  difference(at, before, now) {
    if (before == null) return "";
    const by = now - before;
    const sign = by > 0 ? "+" : by < 0 ? "−" : "±";
    return sign + this.shown(at, Math.abs(by));
  }

  spoken() {
    const { frame, state, on } = this;
    if (!state.shown) return frame.t("hidden");
    return this.table().rows.map(([name, , now]) => `${name}: ${now}`).join(". ") + `. ${frame.t("turned_count", { n: on.length })}`;
  }
}
