/** How does a model know where a token stands? Python's half is `positions_view.py`. */

import { button, choice, h } from "./parts.js";
import { gunzip } from "./packed.js";
import { ArrowPanel } from "./positions_arrows.js";
import { PlaceControls } from "./positions_controls.js";
import { LearnedPanel } from "./positions_learned.js";
import { HEADS } from "./positions_math.js";
import { OffsetPanel } from "./positions_offset.js";
import { askAbout } from "./positions_quiz.js";
import { SlopePanel } from "./positions_slopes.js";
import { WavePanel } from "./positions_waves.js";
import { Prediction } from "./predict.js";

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new PositionsView(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.picture });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.load());
}

class PositionsView {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.state = { ...frame.data.state };
    const change = (values) => this.change(values);
    this.panels = {
      sinusoidal: new WavePanel(frame, change), offset: new OffsetPanel(frame), learned: new LearnedPanel(frame, change),
      rope: new ArrowPanel(frame), alibi: new SlopePanel(frame),
    };
    this.controls = new PlaceControls(frame, change);
    this.prediction = new Prediction(frame, "predict");
    this.build();
  }

  build() {
    const { frame } = this;
    const choices = Object.keys(this.panels).map((value) => ({ value, content: [
      h("span", { class: "llm-way-name" }, frame.named("kind", value)), h("span", { class: "llm-name" }, frame.named("note", value))] }));
    this.kinds = choice({ name: frame.id("kind"), legend: frame.t("kinds_label"), choices }, (kind) => this.change({ kind }));
    this.tell = h("p", { class: "llm-tell" });
    this.place = h("div");
    this.sums = h("ul", { class: "llm-sums" });
    this.together = button(frame.t("move_both"), () => this.moveBoth());
    const sums = h("section", { class: "llm-part" }, h("p", { class: "llm-subtitle" }, frame.t("sums_title")), this.sums);
    this.picture = h("div", { class: "llm-column" }, this.place, sums);
    const controls = h("div", { class: "llm-column" }, this.controls.element, h("div", { class: "llm-examples" }, this.together));
    frame.body.append(this.kinds, this.tell, this.prediction.element, controls, this.picture);
    new ResizeObserver(() => this.resized()).observe(frame.body);
  }

  /** Draw again where the width has changed, since charts are drawn to it. */
  resized() {
    const width = this.frame.body.clientWidth;
    if (width === this.width) return;
    this.width = width;
    requestAnimationFrame(() => this.draw());
  }

  async load() {
    const { learned } = this.frame.data;
    try {
      const bytes = await (await gunzip(await this.frame.load(learned.file))).arrayBuffer();
      const table = new Float32Array(bytes);
      this.panels.learned.fill(Array.from({ length: learned.rows }, (_, i) => table.subarray(i * learned.columns, (i + 1) * learned.columns)));
    } catch (error) {
      console.error(error);
      this.panels.learned.fill(null);
    }
    this.update();
  }

  /** A change made by the reader: draw, say and remember it. @param {Record<string, any>} change */
  change(change) {
    this.apply(change);
    this.frame.remember();
    this.frame.announce("kind" in change ? this.tell.textContent : [...this.sums.children].map((row) => row.textContent).join(" "));
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply(change) {
    const { state } = this;
    const { widths, bases } = this.frame.data;
    const whole = (name) => Math.trunc(Number(change[name])) || 0;
    const within = (value, low, high) => Math.min(Math.max(value, low), high);
    if (Object.hasOwn(this.panels, change.kind)) state.kind = change.kind;
    if (widths.includes(Number(change.d))) state.d = Number(change.d);
    if (bases.includes(Number(change.theta))) state.theta = Number(change.theta);
    for (const name of ["p", "k", "pair", "head"]) if (name in change) state[name] = whole(name);
    state.p = within(state.p, 0, this.room() - 1);
    state.k = within(state.kind === "alibi" ? -Math.abs(state.k) : state.k, -state.p, this.room() - 1 - state.p);
    state.pair = within(state.pair, 0, state.d / 2 - 1);
    state.head = within(state.head, 1, HEADS);
    this.update();
  }

  /** How many positions there are. */
  room() {
    const { data } = this.frame;
    return this.state.kind === "learned" ? data.learned.rows : data.positions;
  }

  /** Both tokens ten places on, or back to the beginning where there is no more room. */
  moveBoth() {
    const { p, k } = this.state;
    const fits = Math.max(p, p + k) + 10 < this.room();
    this.change({ p: fits ? p + 10 : Math.max(0, -k), k });
  }

  update() {
    const { frame, state } = this;
    const panel = this.panels[state.kind];
    this.kinds.querySelector(`input[value="${state.kind}"]`).checked = true;
    this.tell.textContent = frame.named("tell", state.kind);
    this.controls.draw(state, this.room());
    this.together.hidden = !["offset", "rope"].includes(state.kind);
    if (this.place.firstChild !== panel.element) this.place.replaceChildren(panel.element);
    askAbout(frame, this.prediction, panel, state, this.room());
    this.draw();
    frame.redrawTable?.();
  }

  draw() {
    const { state } = this;
    const panel = this.panels[state.kind];
    panel.draw(state, this.room());
    this.sums.replaceChildren(...panel.sums(state).map((text) => h("li", {}, text)));
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    return this.panels[this.state.kind].table(this.state, this.room());
  }
}
