/** Sinusoidal positions: every hand of the clock as two features, one pair as a wave, one place on as a turn. */

import { h } from "./parts.js";
import { mapScale, PixelMap } from "./heatmap.js";
import { dial } from "./dial.js";
import { LineChart } from "./line_chart.js";
import { exactly, minus, telling, turnRates, waveRow } from "./positions_math.js";

/** @typedef {{kind: string, d: number, theta: number, p: number, k: number, pair: number, head: number}} PositionState */

export class WavePanel {
  /** @param {import("./frame.js").Frame} frame @param {(change: Partial<PositionState>) => void} change */
  constructor(frame, change) {
    this.frame = frame;
    this.map = new PixelMap(frame.t("map_label"), (row, column) => change({ p: row, pair: column >> 1 }));
    this.chart = new LineChart();
    this.dials = h("div", { class: "llm-dials" });
    this.caption = h("p", { class: "llm-legend" });
    const picture = h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, frame.t("map_legend")), this.map.element, mapScale("−1", "1"));
    this.element = h("div", { class: "llm-pair" }, picture, h("div", { class: "llm-column" }, this.caption, this.chart.svg, this.dials));
  }

  /** @param {PositionState} state @param {number} room  how many positions there are */
  draw({ d, theta, p, k, pair }, room) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    const rows = Array.from({ length: room }, (_, position) => waveRow(position, rates));
    this.map.draw([room, d], (row, column) => (rows[row][column] + 1) / 2, [p, 2 * pair]);
    this.caption.textContent = frame.t("wave_legend", { pair, sine: 2 * pair, cosine: 2 * pair + 1 });
    const line = (feature) => rows.map((row, position) => [position, row[feature]]);
    this.chart.draw({
      x: [0, room - 1], y: [-1.15, 1.15], label: frame.t("position"), title: this.caption.textContent,
      lines: [{ points: line(2 * pair), kind: "first" }, { points: line(2 * pair + 1), kind: "second" }],
      spots: [
        { x: p, y: rows[p][2 * pair], kind: "first", label: "p" },
        { x: p + k, y: rows[p + k][2 * pair], kind: "second", label: "p + k" },
      ],
    });
    const hand = (position, kind) => ({ to: rows[position].slice(2 * pair, 2 * pair + 2), kind });
    const captioned = (arrows, words) => h("figure", {}, dial(arrows), h("figcaption", {}, words));
    this.dials.replaceChildren(captioned([hand(p, "first")], frame.t("dial_position", { p })),
      captioned([hand(p + k, "second")], frame.t("dial_position", { p: p + k })));
  }

  /** The numbers of the chosen pair, as sums that can be checked. @param {PositionState} state */
  sums({ d, theta, p, k, pair }) {
    const { frame } = this;
    const rate = turnRates(d, theta)[pair];
    const [sin, cos] = [Math.sin(p * rate), Math.cos(p * rate)].map((value) => exactly(value));
    const [later, over] = [Math.sin((p + k) * rate), Math.cos((p + k) * rate)].map((value) => exactly(value));
    const [turnsin, turncos] = [Math.sin(k * rate), Math.cos(k * rate)].map((value) => exactly(value));
    const numbers = { p, k: minus(k), there: p + k, sin, cos, later, over, turnsin, turncos };
    const factors = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value).startsWith("−") ? `(${value})` : value]));
    return [
      frame.t("sum_rate", { theta, pair, d, rate: telling(rate), wave: telling((2 * Math.PI) / rate) }),
      frame.t("sum_here", { ...numbers, angle: exactly(p * rate) }),
      frame.t("sum_there", numbers),
      frame.t("sum_turn", numbers),
      frame.t("sum_turned", { ...factors, later, over }),
    ];
  }

  /** @param {PositionState} state @returns {import("./parts.js").Table} */
  table({ d, theta, p, k }) {
    const { frame } = this;
    const rows = turnRates(d, theta).map((rate, i) => [i, telling(rate), telling((2 * Math.PI) / rate),
      ...[p, p + k].flatMap((position) => [Math.sin(position * rate), Math.cos(position * rate)].map((value) => exactly(value)))]);
    const there = p + k;
    const head = [frame.t("pair"), "ω", frame.t("wavelength"), `sin ${p}ω`, `cos ${p}ω`, `sin ${there}ω`, `cos ${there}ω`];
    return { caption: frame.t("table_waves", { d, theta }), head, rows };
  }
}
