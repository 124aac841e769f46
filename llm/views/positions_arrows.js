/** Rotary positions: a query and a key as arrows that turn with their places. */

import { h } from "./parts.js";
import { dial } from "./dial.js";
import { LineChart } from "./line_chart.js";
import { degrees, dotProduct, exactly, KEY, minus, QUERY, rotaryMatch, turnedArrow, turnRates } from "./positions_math.js";

export class ArrowPanel {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.dials = h("div", { class: "llm-dials" });
    this.chart = new LineChart();
    this.caption = h("p", { class: "llm-legend" });
    this.element = h("div", { class: "llm-column" }, h("p", { class: "llm-legend" }, frame.t("arrows_legend")), this.dials, this.caption, this.chart.svg);
  }

  /** @param {import("./positions_waves.js").PositionState} state @param {number} room */
  draw({ d, theta, p, k, pair }, room) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    this.dials.replaceChildren(...rates.map((rate, i) => {
      const [query, key] = this.arrows(rate, p, k);
      const words = frame.t("dial_pair", { pair: i, angle: degrees(Math.atan2(key[1], key[0]) - Math.atan2(query[1], query[0])) });
      return h("figure", { class: i === pair ? "llm-dial-chosen" : "" },
        dial([{ to: query, kind: "query", letter: "Q" }, { to: key, kind: "key", letter: "K" }]), h("figcaption", {}, words));
    }));
    this.caption.textContent = frame.t("match_legend");
    const points = Array.from({ length: 2 * room - 1 }, (_, i) => [i - room + 1, rotaryMatch(0, i - room + 1, rates)]);
    const values = points.map(([, value]) => value);
    this.chart.draw({
      x: [1 - room, room - 1], y: [Math.min(0, ...values) * 1.1, Math.max(...values) * 1.15], label: frame.t("key_minus_query"), title: this.caption.textContent,
      lines: [{ points, kind: "first" }],
      spots: [{ x: k, y: rotaryMatch(p, p + k, rates), kind: "first", label: `k = ${minus(k)}` }],
    });
  }

  arrows(rate, p, k) {
    return [turnedArrow(QUERY, p * rate), turnedArrow(KEY, (p + k) * rate)];
  }

  /** @param {import("./positions_waves.js").PositionState} state */
  sums({ d, theta, p, k, pair }) {
    const { frame } = this;
    const rates = turnRates(d, theta);
    const [query, key] = this.arrows(rates[pair], p, k);
    const written = (arrow) => `(${arrow.map((value) => exactly(value)).join(", ")})`;
    const numbers = { pair, p, there: p + k, k: minus(k), query: written(query), key: written(key), product: exactly(dotProduct(query, key)),
      turn: degrees(p * rates[pair]), other: degrees((p + k) * rates[pair]), score: exactly(rotaryMatch(p, p + k, rates)), n: rates.length };
    return [frame.t("sum_query", numbers), frame.t("sum_key", numbers), frame.t("sum_match", numbers), frame.t("sum_score", numbers)];
  }

  /** @param {import("./positions_waves.js").PositionState} state @returns {import("./parts.js").Table} */
  table({ d, theta, p, k }) {
    const { frame } = this;
    const rows = turnRates(d, theta).map((rate, i) => {
      const [query, key] = this.arrows(rate, p, k);
      return [i, degrees(p * rate), degrees((p + k) * rate), ...[...query, ...key, dotProduct(query, key)].map((value) => exactly(value))];
    });
    const head = [frame.t("pair"), frame.t("turn_query"), frame.t("turn_key"), "Q₁", "Q₂", "K₁", "K₂", frame.t("product")];
    return { caption: frame.t("table_arrows", { p, there: p + k }), head, rows };
  }
}
