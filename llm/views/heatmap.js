/** Numbers of one head as a map: one tab stop, arrow keys, and a cell that is said. */

import { h } from "./parts.js";
import { s, shade } from "./chart.js";

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const SHADES = 255;

/** A triangle of weights as squares of SVG. */
export class Heatmap {
  /** @param {string} label @param {(row: number, column: number) => void} choose */
  constructor(label, choose) {
    this.choose = choose;
    this.svg = s("svg", { class: "llm-squares", "aria-hidden": "true" });
    this.element = h("div", { class: "llm-heatmap", tabindex: 0, role: "application", "aria-label": label }, this.svg);
    this.element.addEventListener("keydown", (event) => this.move(event));
    this.svg.addEventListener("click", (event) => this.click(event));
    this.cross = ["llm-halo", "llm-cross"].map((kind) => s("path", { class: kind, fill: "none" }));
  }

  /**
   * Draw the triangle of weights and mark a cell.
   * @param {number} size  tokens on each side
   * @param {(row: number, column: number) => number} weight
   * @param {[number, number]} cell
   */
  draw(size, weight, cell) {
    if (size !== this.rows) this.build(size);
    for (const [square, row, column] of this.squares) square.setAttribute("fill", shade(weight(row, column)));
    this.mark(cell);
  }

  build(size) {
    this.resize(size, size);
    this.squares = [];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        this.squares.push([s("rect", { x: column, y: row, width: 1.02, height: 1.02 }), row, column]);
      }
    }
    this.svg.replaceChildren(...this.squares.map(([square]) => square), ...this.cross);
  }

  resize(rows, columns) {
    Object.assign(this, { rows, columns });
    this.svg.setAttribute("viewBox", `-1 -1 ${columns + 2} ${rows + 2}`);
  }

  /** The last column that a row has. */
  last(row) {
    return row;
  }

  mark([row, column]) {
    this.cell = [row, column];
    for (const line of this.cross) line.setAttribute("d", `M0 ${row}H${this.last(row) + 1}V${row + 1}H0zM${column} ${row}h1v1h-1z`);
  }

  move(event) {
    if (event.key === "Home") return this.go(event, this.cell[0], 0);
    if (event.key === "End") return this.go(event, this.cell[0], this.last(this.cell[0]));
    const [down, right] = MOVES[event.key] ?? [];
    if (down !== undefined) this.go(event, this.cell[0] + down, this.cell[1] + right);
  }

  go(event, row, column) {
    event.preventDefault();
    const inside = Math.max(0, Math.min(row, this.rows - 1));
    this.choose(inside, Math.max(0, Math.min(column, this.last(inside))));
  }

  click(event) {
    const box = this.svg.getBoundingClientRect();
    const place = (offset, length, cells) => Math.floor((offset / length) * (cells + 2) - 1);
    const row = place(event.clientY - box.y, box.height, this.rows);
    const column = place(event.clientX - box.x, box.width, this.columns);
    this.go(event, row, column);
  }
}

/** A map of any shape, painted pixel by pixel: fast also where there are many cells. */
export class PixelMap extends Heatmap {
  constructor(label, choose) {
    super(label, choose);
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.svg.setAttribute("preserveAspectRatio", "none");
    for (const line of this.cross) line.setAttribute("vector-effect", "non-scaling-stroke");
    this.svg.append(...this.cross);
    this.element.classList.add("llm-pixels");
    this.element.prepend(this.canvas);
  }

  /**
   * Paint a map and mark a cell.
   * @param {[number, number]} shape  rows and columns
   * @param {(row: number, column: number) => number | null} place  on the scale of colours, null for no cell
   * @param {[number, number]} cell
   * @param {boolean} [triangle]  whether a row ends at its own number
   */
  draw([rows, columns], place, cell, triangle = false) {
    this.resize(rows, columns);
    this.triangle = triangle;
    const margins = { "--rows": rows + 2, "--columns": columns + 2 };
    for (const [name, value] of Object.entries(margins)) this.element.style.setProperty(name, value);
    paintMap(this.canvas, rows, columns, place);
    this.mark(cell);
  }

  last(row) {
    return this.triangle ? row : this.columns - 1;
  }
}

const palette = Array.from({ length: SHADES + 1 }, (_, i) => shade(i / SHADES).match(/\d+/g).map(Number));

/** Paint a picture with one pixel for each cell. @param {HTMLCanvasElement} canvas */
export function paintMap(canvas, rows, columns, place) {
  Object.assign(canvas, { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const value = place(Math.floor(i / columns), i % columns);
    if (value !== null) picture.data.set([...palette[Math.round(Math.max(0, Math.min(value, 1)) * SHADES)], 255], 4 * i);
  }
  pen.putImageData(picture, 0, 0);
}

/** The key to a map's colours, with words or numbers at its two ends. @param {string} low @param {string} high */
export function mapScale(low, high) {
  const colours = Array.from({ length: 16 }, (_, i) => h("span", { style: `background: ${shade(i / 15)}` }));
  return h("p", { class: "llm-legend llm-scale" }, low, h("span", { "aria-hidden": "true" }, colours), high);
}
