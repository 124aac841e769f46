/** ALiBi: no positions at all, but a penalty for distance, steeper in some heads than in others. */

import { h } from "./parts.js";
import { LineChart } from "./line_chart.js";
import { exactly, HEADS, penaltySlope, telling } from "./positions_math.js";

const DEEPEST = -8; // where the drawing ends

export class SlopePanel {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.chart = new LineChart();
    this.element = h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, frame.t("slopes_legend")), this.chart.svg);
  }

  /** @param {import("./positions_waves.js").PositionState} state @param {number} room */
  draw({ p, k, head }, room) {
    const { frame } = this;
    const line = (number) => Array.from({ length: room }, (_, distance) => [distance, -penaltySlope(number) * distance]).filter(([, bias]) => bias >= DEEPEST);
    const lines = Array.from({ length: HEADS }, (_, i) => ({ points: line(i + 1), kind: i + 1 === head ? "first" : "quiet" }));
    const bias = -penaltySlope(head) * Math.abs(k);
    this.chart.draw({
      x: [0, room - 1], y: [DEEPEST, 0.5], label: frame.t("places_away"), title: frame.t("slopes_legend"),
      lines: [...lines.filter(({ kind }) => kind === "quiet"), ...lines.filter(({ kind }) => kind === "first")],
      spots: bias < DEEPEST ? [] : [{ x: Math.abs(k), y: bias, kind: "first", label: frame.t("spot_head", { head }) }],
    });
  }

  /** @param {import("./positions_waves.js").PositionState} state */
  sums({ p, k, head }) {
    const { frame } = this;
    const slope = penaltySlope(head);
    const distance = Math.abs(k);
    const numbers = { head, p, there: p + k, distance, slope: telling(slope), bias: telling(-slope * distance), factor: telling(Math.exp(-slope * distance)), heads: HEADS };
    return [frame.t("sum_slope", numbers), frame.t("sum_bias", numbers), frame.t("sum_factor", numbers)];
  }

  /** @param {import("./positions_waves.js").PositionState} state @returns {import("./parts.js").Table} */
  table({ k }) {
    const { frame } = this;
    const rows = Array.from({ length: HEADS }, (_, i) => {
      const slope = penaltySlope(i + 1);
      return [i + 1, telling(slope), telling(-slope * Math.abs(k)), telling(Math.exp(-slope * Math.abs(k)))];
    });
    return { caption: frame.t("table_slopes", { k: Math.abs(k) }), head: [frame.t("head"), frame.t("slope"), frame.t("bias"), frame.t("factor")], rows };
  }
}
