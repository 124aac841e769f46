/** A learned table of positions: its rows, their lengths, and how alike they are. */

import { h } from "./parts.js";
import { bothSigns } from "./heat_rows.js";
import { mapScale, PixelMap } from "./heatmap.js";
import { LineChart } from "./line_chart.js";
import { dotProduct, exactly, telling } from "./positions_math.js";

export class LearnedPanel {
  /** @param {import("./frame.js").Frame} frame @param {(change: object) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    this.rowsMap = new PixelMap(frame.t("rows_label"), (row) => change({ p: row, k: 0 }));
    this.alikeMap = new PixelMap(frame.t("alike_label"), (row, column) => change({ p: row, k: column - row }));
    this.lengths = new LineChart();
    this.loading = h("p", { class: "llm-legend" }, frame.t("loading"));
    const column = (legend, ...parts) => h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, legend), ...parts);
    this.scale = h("div");
    this.shown = h("div", { class: "llm-column", hidden: true },
      h("div", { class: "llm-pair" }, column(frame.t("rows_legend"), this.rowsMap.element, this.scale),
        column(frame.t("alike_legend"), this.alikeMap.element, mapScale("−1", "1"))),
      column(frame.t("lengths_legend"), this.lengths.svg));
    this.element = h("div", {}, this.loading, this.shown);
  }

  /** The table, once it is loaded; or null where it could not be. @param {Float32Array[] | null} rows */
  fill(rows) {
    if (!rows) {
      this.loading.textContent = this.frame.t("not_loaded");
      return;
    }
    this.rows = rows;
    this.norms = rows.map((row) => Math.sqrt(dotProduct(row, row)));
    this.cosines = rows.map((row, i) => rows.map((other, j) => dotProduct(row, other) / (this.norms[i] * this.norms[j] || 1)));
    this.loading.hidden = true;
    this.shown.hidden = false;
  }

  /** @param {import("./positions_waves.js").PositionState} state @param {number} room */
  draw({ p, k }, room) {
    if (!this.rows) return;
    const { rows, norms, cosines, frame } = this;
    const columns = rows[0].length;
    const place = bothSigns(rows);
    const most = rows.reduce((top, row) => row.reduce((best, value) => Math.max(best, Math.abs(value)), top), 0);
    this.rowsMap.draw([room, columns], (row, column) => place(rows[row][column]), [p, Math.min(this.rowsMap.cell?.[1] ?? 0, columns - 1)]);
    this.alikeMap.draw([room, room], (row, column) => (cosines[row][column] + 1) / 2, [p, p + k]);
    this.scale.replaceChildren(mapScale(exactly(-most, 2), exactly(most, 2)));
    this.lengths.draw({
      x: [0, room - 1], y: [0, 1.15 * Math.max(...norms)], label: frame.t("position"), title: frame.t("lengths_legend"),
      lines: [{ points: norms.map((length, position) => [position, length]), kind: "first" }],
      spots: [{ x: p, y: norms[p], kind: "first", label: "p" }, { x: p + k, y: norms[p + k], kind: "second", label: "p + k" }],
    });
  }

  /** @param {import("./positions_waves.js").PositionState} state */
  sums({ p, k }) {
    if (!this.rows) return [];
    const { frame, norms, rows, cosines } = this;
    const numbers = { p, there: p + k, one: exactly(norms[p]), other: exactly(norms[p + k]),
      product: telling(dotProduct(rows[p], rows[p + k])), cosine: exactly(cosines[p][p + k]) };
    return [frame.t("sum_lengths", numbers), frame.t("sum_alike", numbers)];
  }

  /** How alike neighbours are on average, where rows are long enough to have been trained. */
  neighbours() {
    const { norms, cosines } = this;
    const half = Math.max(...norms) / 2;
    const trained = norms.map((_, i) => i).filter((i) => i + 1 < norms.length && norms[i] > half && norms[i + 1] > half);
    return trained.reduce((sum, i) => sum + cosines[i][i + 1], 0) / (trained.length || 1);
  }

  /** @param {import("./positions_waves.js").PositionState} state @returns {import("./parts.js").Table} */
  table({ p }) {
    const { frame, norms = [], cosines = [] } = this;
    const rows = norms.map((length, i) => [i, exactly(length), exactly(cosines[i][p])]);
    return { caption: frame.t("table_learned", { p }), head: [frame.t("position"), frame.t("length"), frame.t("cosine")], rows };
  }
}
