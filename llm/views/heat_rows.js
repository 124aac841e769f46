/** Rows of numbers as rows of colour. */

import { h } from "./parts.js";
import { shade } from "./chart.js";

const RATIO = 2; // pixels of the picture for each number, across

/**
 * A picture of numbers (rows, columns).
 * @param {string} label  what it shows, for those who do not see it
 * @param {Float64Array[]} rows
 * @param {(value: number) => number} place  of a number on the scale of colours, from 0 to 1
 */
export function heatRows(label, rows, place) {
  const columns = rows[0].length;
  const canvas = h("canvas", { class: "llm-heat-rows", role: "img", "aria-label": label, width: columns * RATIO, height: rows.length });
  const pen = canvas.getContext("2d");
  rows.forEach((row, y) => row.forEach((value, x) => {
    pen.fillStyle = shade(place(value));
    pen.fillRect(x * RATIO, y, RATIO, 1);
  }));
  return canvas;
}

/** Places on the scale for numbers of both signs: the middle is 0, the ends are ±`most`. */
export function bothSigns(rows) {
  let most = 1e-9;
  for (const row of rows) for (const value of row) most = Math.max(most, Math.abs(value));
  return (value) => (value / most + 1) / 2;
}

/** The length of a vector. */
export function norm(vector) {
  return Math.hypot(...vector);
}
