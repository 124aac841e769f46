/** Drawing with SVG: elements, lines over a logarithmic axis, maps of squares, points. */

import { number } from "./parts.js";

const PLACE = { left: 44, right: 12, top: 12, bottom: 30 };
const FIRST = 5; // where step 0 stands on a logarithmic axis

/** @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * A place for lines: steps to the right and losses upwards, both logarithmic.
 * @param {{width: number, height: number, steps: [number, number], losses: [number, number]}} frame
 */
export function plane({ width, height, steps, losses }) {
  const [low, high] = steps.map((step) => Math.log(Math.max(step, FIRST)));
  const x = (step) => PLACE.left + ((Math.log(Math.max(step, FIRST)) - low) / (high - low || 1)) * (width - PLACE.left - PLACE.right);
  const [least, most] = losses.map(Math.log);
  const y = (loss) => PLACE.top + ((most - Math.log(loss)) / (most - least)) * (height - PLACE.top - PLACE.bottom);
  return { x, y, width, height, steps, losses };
}

/** Lines and numbers of both axes. @param {ReturnType<typeof plane>} plane @param {string} label */
export function axes({ x, y, width, height, steps, losses }, label) {
  const ticks = [0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32].filter((loss) => loss >= losses[0] && loss <= losses[1]);
  const powers = [...(steps[0] === 0 ? [0] : []), 10, 100, 1000, 10_000].filter((step) => step >= steps[0] && step <= steps[1]);
  return s("g", { class: "llm-axes" },
    ...ticks.flatMap((loss) => [
      s("line", { x1: PLACE.left, x2: width - PLACE.right, y1: y(loss), y2: y(loss) }),
      s("text", { x: PLACE.left - 8, y: y(loss) + 4, "text-anchor": "end" }, number(loss)),
    ]),
    ...powers.map((step) => s("text", { x: x(step), y: height - 10, "text-anchor": "middle" }, number(step))),
    s("text", { x: width - PLACE.right, y: height - 10, "text-anchor": "end" }, label));
}

/** A path through points, gaps left out. @param {[number, number][]} points */
export function path(points, attributes) {
  const inside = points.filter((point) => point.every(Number.isFinite));
  const d = inside.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return s("path", { d, fill: "none", ...attributes });
}

/** A sign for each group of points, so that none is told apart by colour alone. */
const SIGNS = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (r) => `M0 ${-1.2 * r}L${1.1 * r} ${r}H${-1.1 * r}z`,
  (r) => `M0 ${1.2 * r}L${1.1 * r} ${-r}H${-1.1 * r}z`,
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0z`,
  (r) => `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`,
  (r) => `M0 ${-1.2 * r}V${1.2 * r}M${-1.2 * r} 0H${1.2 * r}`,
];

/** @param {number} group @param {number} [radius] @returns {string} */
export function sign(group, radius = 4) {
  return SIGNS[group % SIGNS.length](radius);
}

/** The colour of a weight from 0 to 1: cividis, mixed from five of its colours. @param {number} weight */
export function shade(weight) {
  const stops = [[0, 32, 77], [66, 78, 107], [124, 123, 120], [187, 173, 108], [255, 234, 70]];
  const place = Math.max(0, Math.min(weight, 1)) * (stops.length - 1);
  const [low, high] = [stops[Math.floor(place)], stops[Math.ceil(place)]];
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * (place % 1))).join(",")})`;
}
