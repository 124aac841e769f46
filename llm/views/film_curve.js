/** The loss of a whole run, the floor under it, and where we stand. */

import { axes, path, plane, s } from "./chart.js";
import { h } from "./parts.js";

const HEIGHT = 230;

export class FilmCurve {
  /** @param {import("./frame.js").Frame} frame @param {(step: number) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, choose });
    this.svg = s("svg", { role: "img", height: HEIGHT, "aria-label": frame.t("curve_legend") });
    this.svg.addEventListener("click", (event) => this.click(event));
    this.legend = h("p", { class: "llm-legend" }, frame.t("curve_legend"));
    this.element = h("div", { class: "llm-curve" }, this.svg, this.legend);
  }

  /** @param {any} film @param {import("./film_view.js").Moment} moment */
  draw(film, moment) {
    const width = this.element.clientWidth || 720;
    if (film !== this.film || width !== this.plane.width) this.build(film, width);
    const x = this.plane.x(moment.step);
    this.marker.setAttribute("transform", `translate(${x} 0)`);
    this.dot.setAttribute("cy", this.plane.y(moment.loss));
    const text = this.frame.t("curve_label", { step: moment.step, loss: moment.loss, floor: moment.floor });
    this.svg.setAttribute("aria-label", text);
  }

  build(film, width) {
    const { curve, moments } = this.film = film;
    const all = moments.map(({ loss }) => loss);
    const losses = [Math.min(moments.at(-1).floor, ...all) * 0.85, Math.max(...all) * 1.04];
    this.plane = plane({ width, height: HEIGHT, steps: [moments[0].step, moments.at(-1).step], losses });
    const { x, y } = this.plane;
    const training = curve.step.map((step, i) => [x(step), y(Math.min(curve.loss[i], losses[1]))]);
    const tested = moments.map(({ step, loss }) => [x(step), y(loss)]);
    const floor = y(moments.at(-1).floor);
    this.dot = s("circle", { r: 6, class: "llm-now" });
    this.marker = s("g", {}, s("line", { y1: 8, y2: HEIGHT - 30, class: "llm-now-line" }), this.dot);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(
      axes(this.plane, this.frame.t("axis_step")),
      s("line", { x1: x(0), x2: width - 12, y1: floor, y2: floor, class: "llm-floor" }),
      s("text", { x: x(0) + 6, y: floor + 15, class: "llm-floor-text" }, this.frame.t("floor")),
      path(training, { class: "llm-line-thin" }),
      path(tested, { class: "llm-line" }),
      ...tested.map(([cx, cy]) => s("circle", { cx, cy, r: 2.5, class: "llm-dot" })),
      this.marker);
  }

  /** Jump to the moment nearest to the place that was clicked. */
  click(event) {
    const box = this.svg.getBoundingClientRect();
    const at = ((event.clientX - box.x) / box.width) * this.plane.width;
    const distance = ({ step }) => Math.abs(this.plane.x(step) - at);
    this.choose(this.film.moments.reduce((a, b) => (distance(b) < distance(a) ? b : a)).step);
  }
}
