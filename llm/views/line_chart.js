/** Lines over a linear axis, drawn to the width that there is. */

import { number } from "./parts.js";
import { path, s } from "./chart.js";

const EDGE = { left: 46, right: 14, top: 14, bottom: 40 };
const WIDE = 560;

/**
 * What a chart shows.
 * @typedef {{points: [number, number][], kind: string}} Line  its look: `llm-line-KIND`
 * @typedef {{x: number, y: number, kind: string, label?: string}} Spot
 * @typedef {{x: [number, number], y: [number, number], lines: Line[], spots: Spot[], label: string, title: string}} Chart
 */

export class LineChart {
  constructor() {
    this.svg = s("svg", { class: "llm-lines", role: "img" });
  }

  /** @param {Chart} chart */
  draw({ x, y, lines, spots, label, title }) {
    const width = Math.min(WIDE, this.svg.parentElement?.clientWidth || WIDE);
    const height = Math.round(Math.max(190, width * 0.45));
    const across = (value) => EDGE.left + ((value - x[0]) / (x[1] - x[0])) * (width - EDGE.left - EDGE.right);
    const up = (value) => EDGE.top + ((y[1] - value) / (y[1] - y[0])) * (height - EDGE.top - EDGE.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", title);
    const drawn = lines.map(({ points, kind }) => path(points.map(([a, b]) => [across(a), up(b)]), { class: `llm-line llm-line-${kind}` }));
    const marks = spots.map((spot) => mark(spot, across(spot.x), up(spot.y), width, height));
    this.svg.replaceChildren(grid({ x, y, across, up, width, height, label }), ...drawn, ...marks);
  }
}

/** Lines and numbers of both axes. */
function grid({ x, y, across, up, width, height, label }) {
  return s("g", { class: "llm-axes" },
    ...ticks(y).flatMap((value) => [
      s("line", { x1: EDGE.left, x2: width - EDGE.right, y1: up(value), y2: up(value) }),
      s("text", { x: EDGE.left - 8, y: up(value) + 4, "text-anchor": "end" }, written(value)),
    ]),
    ...ticks(x, width < 420 ? 4 : 8).map((value) =>
      s("text", { x: across(value), y: height - EDGE.bottom + 17, "text-anchor": "middle" }, written(value))),
    s("text", { x: width - EDGE.right, y: height - 5, "text-anchor": "end" }, label));
}

/** A point with a sign of its own, and words beside it. */
function mark({ kind, label = "" }, x, y, width, height) {
  const left = x > width - 90;
  const shape = kind === "second" ? "M-6 -6h12v12h-12z" : "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z";
  const above = y < 40 ? 18 : -9;
  const below = y > height - EDGE.bottom - 30 ? -26 : 20; // the second's words keep off the first's
  const words = s("text", { x: left ? -10 : 10, y: kind === "second" ? below : above, "text-anchor": left ? "end" : "start" }, label);
  return s("g", { class: `llm-spot llm-spot-${kind}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }, s("path", { d: shape }), words);
}

/** Round numbers between two ends. @param {[number, number]} ends @param {number} [most] */
function ticks([low, high], most = 5) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

function written(value) {
  return number(Math.abs(value) < 1e-9 ? 0 : value).replace("-", "−");
}
