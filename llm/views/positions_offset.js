/** How alike two sinusoidal positions are: a curve over their distance that knows no place. */

import { h } from "./parts.js";
import { LineChart } from "./line_chart.js";
import { dotProduct, exactly, minus, turnRates, waveRow } from "./positions_math.js";

const LISTED = 8; // terms of a sum that are written out

export class OffsetPanel {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.chart = new LineChart();
    this.caption = h("p", { class: "llm-legend" });
    this.element = h("div", { class: "llm-column" }, this.caption, this.chart.svg);
  }

  /** @param {import("./positions_waves.js").PositionState} state @param {number} room */
  draw({ d, theta, p, k }, room) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    const here = waveRow(p, rates);
    const points = Array.from({ length: room }, (_, position) => [position - p, dotProduct(here, waveRow(position, rates))]);
    const low = Math.min(0, ...points.map(([, value]) => value));
    this.caption.textContent = frame.t("offset_legend", { p });
    this.chart.draw({
      x: [1 - room, room - 1], y: [1.1 * low, 1.1 * rates.length], label: frame.t("distance"), title: this.caption.textContent,
      lines: [{ points, kind: "first" }],
      spots: [{ x: k, y: dotProduct(here, waveRow(p + k, rates)), kind: "first", label: `k = ${minus(k)}` }],
    });
  }

  /** @param {import("./positions_waves.js").PositionState} state */
  sums({ d, theta, p, k }) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    const product = (from) => exactly(dotProduct(waveRow(from, rates), waveRow(from + k, rates)));
    const terms = rates.map((rate) => exactly(Math.cos(k * rate)));
    const more = terms.length > LISTED ? ["…"] : [];
    const elsewhere = k < 0 ? -k : 0;
    return [
      frame.t("sum_product", { p, there: p + k, product: product(p) }),
      frame.t("sum_elsewhere", { p: elsewhere, there: elsewhere + k, product: product(elsewhere) }),
      frame.t("sum_cosines", { k: minus(k), terms: [...terms.slice(0, LISTED), ...more].join(" + ").replaceAll("+ −", "− "),
        sum: exactly(rates.reduce((sum, rate) => sum + Math.cos(k * rate), 0)) }),
    ];
  }

  /** @param {import("./positions_waves.js").PositionState} state @returns {import("./parts.js").Table} */
  table({ d, theta, p }, room) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    const rows = Array.from({ length: room }, (_, position) =>
      [minus(position - p), p, position, exactly(dotProduct(waveRow(p, rates), waveRow(position, rates)))]);
    return { caption: frame.t("offset_legend", { p }), head: ["k", "p", "p + k", frame.t("product")], rows };
  }
}
