/** The weights of one head as squares: one tab stop, arrow keys, and a cell that is said. */

import { h } from "./parts.js";
import { s, shade } from "./chart.js";

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Heatmap {
  /** @param {string} label @param {(row: number, column: number) => void} choose */
  constructor(label, choose) {
    this.choose = choose;
    this.svg = s("svg", { class: "llm-squares", "aria-hidden": "true" });
    this.element = h("div", { class: "llm-heatmap", tabindex: 0, role: "application", "aria-label": label }, this.svg);
    this.element.addEventListener("keydown", (event) => this.move(event));
    this.svg.addEventListener("click", (event) => this.click(event));
  }

  /**
   * Draw the triangle of weights and mark a cell.
   * @param {number} size  tokens on each side
   * @param {(row: number, column: number) => number} weight
   * @param {[number, number]} cell
   */
  draw(size, weight, cell) {
    if (size !== this.size) this.build(size);
    for (const [square, row, column] of this.squares) square.setAttribute("fill", shade(weight(row, column)));
    this.mark(cell);
  }

  build(size) {
    this.size = size;
    this.svg.setAttribute("viewBox", `-1 -1 ${size + 2} ${size + 2}`);
    this.squares = [];
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        this.squares.push([s("rect", { x: column, y: row, width: 1.02, height: 1.02 }), row, column]);
      }
    }
    this.cross = ["llm-halo", "llm-cross"].map((kind) => s("path", { class: kind, fill: "none" }));
    this.svg.replaceChildren(...this.squares.map(([square]) => square), ...this.cross);
  }

  mark([row, column]) {
    this.cell = [row, column];
    for (const line of this.cross) line.setAttribute("d", `M0 ${row}H${row + 1}V${row + 1}H0zM${column} ${row}h1v1h-1z`);
  }

  move(event) {
    if (event.key === "Home") return this.go(event, this.cell[0], 0);
    if (event.key === "End") return this.go(event, this.cell[0], this.cell[0]);
    const [down, right] = MOVES[event.key] ?? [];
    if (down !== undefined) this.go(event, this.cell[0] + down, this.cell[1] + right);
  }

  go(event, row, column) {
    event.preventDefault();
    const inside = Math.max(0, Math.min(row, this.size - 1));
    this.choose(inside, Math.max(0, Math.min(column, inside)));
  }

  click(event) {
    const box = this.svg.getBoundingClientRect();
    const place = (offset, length) => Math.floor((offset / length) * (this.size + 2) - 1);
    const row = place(event.clientY - box.y, box.height);
    const column = place(event.clientX - box.x, box.width);
    this.go(event, row, column);
  }
}
