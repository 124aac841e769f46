/** All heads of a model as small maps, one of which is chosen. */

import { h, markOption, roving } from "./parts.js";
import { allHeads } from "./attention_off.js";
import { decimal, headName } from "./attention_reading.js";
import { paintMap } from "./heatmap.js";

const SMALLEST = 46; // pixels that a head should have across
const BLOCKS = 26; // rows and columns of a small map; in longer texts several tokens share one
const FAINT = 0.5; // the power that makes faint attention visible

export class HeadGrid {
  /** @param {import("./frame.js").Frame} frame @param {(at: import("./attention_reading.js").Head) => void} choose */
  constructor(frame, choose) {
    Object.assign(this, { frame, choose, options: [], columns: 1 });
    this.list = h("div", { class: "llm-maps", role: "listbox", "aria-label": frame.t("heads_label") });
    roving(this.list, { select: (i) => this.select(i), hover: () => {}, columns: () => this.columns });
    this.element = h("div", { class: "llm-column" }, this.list, h("p", { class: "llm-legend" }, frame.t("heads_legend")));
    new ResizeObserver(() => this.arrange()).observe(this.list);
  }

  select(index) {
    if (index !== this.chosen) this.choose(this.heads[index]);
  }

  /** @param {import("./attention_reading.js").HeadReading} reading @param {Record<string, any>} state @param {import("./attention_reading.js").Head[]} off */
  draw(reading, state, off) {
    if (!this.heads) this.build(reading.model.config);
    if (reading !== this.reading) {
      this.heads.forEach((at, i) => {
        const blocks = strongestIn(reading, at);
        paintMap(this.options[i].firstChild, blocks.length, blocks.length, (row, column) => (column <= row ? blocks[row][column] ** FAINT : null));
      });
      this.showCosts(new Map());
    }
    this.reading = reading;
    this.chosen = state.layer * reading.model.config.n_heads + state.head;
    this.off = new Set(off.map(headName));
    markOption(this.options, this.chosen);
    this.heads.forEach((at, i) => this.options[i].classList.toggle("llm-off", this.off.has(headName(at))));
    this.name();
  }

  build(config) {
    this.config = config;
    this.heads = allHeads(config);
    this.options = this.heads.map((at) => h("span", { role: "option", tabindex: -1, class: "llm-map" },
      h("canvas", { "aria-hidden": "true" }), h("span", { class: "llm-map-name" }, headName(at)), h("span", { class: "llm-cost" })));
    const layers = Array.from({ length: config.n_layers }, (_, layer) => {
      const inside = this.options.slice(layer * config.n_heads, (layer + 1) * config.n_heads);
      return h("div", { class: "llm-layer", role: "group", "aria-label": this.frame.t("layer", { layer }) }, inside);
    });
    this.list.replaceChildren(...layers);
    this.arrange();
  }

  /** As many heads in a row as fit and leave no row short. */
  arrange() {
    const n = this.config?.n_heads;
    if (!n || !this.list.clientWidth) return;
    const fit = Math.max(1, Math.min(n, Math.floor(this.list.clientWidth / SMALLEST)));
    this.columns = Array.from({ length: fit }, (_, i) => fit - i).find((columns) => n % columns === 0 && columns > fit / 2) ?? fit;
    this.list.style.setProperty("--heads", this.columns);
  }

  /** The cost of each head as a bar, as far as it is known. @param {Map<string, import("./attention_costs.js").Cost>} costs */
  showCosts(costs) {
    this.costs = costs;
    const most = Math.max(0.01, ...[...costs.values()].map(({ loss }) => loss));
    this.heads.forEach((at, i) => {
      const part = Math.max(0, costs.get(headName(at))?.loss ?? 0) / most;
      this.options[i].style.setProperty("--cost", part.toFixed(3));
    });
    if (this.off) this.name();
  }

  /** Name each head for those who do not see it. */
  name() {
    this.heads.forEach((at, i) => {
      const head = headName(at);
      const cost = this.costs.get(head);
      const text = cost ? this.frame.t("head_cost", { head, cost: decimal(cost.loss) }) : this.frame.t("head_option", { head });
      this.options[i].setAttribute("aria-label", this.off.has(head) ? `${text}, ${this.frame.t("head_off")}` : text);
    });
  }
}

/** The greatest weights of a head in blocks of tokens: a map that is small enough to take in. */
function strongestIn(reading, at) {
  const T = reading.length;
  const n = Math.min(T, BLOCKS);
  const { values } = reading.act(at, "weights");
  const blocks = Array.from({ length: n }, () => new Float64Array(n));
  for (let row = 0, i = at.head * T * T; row < T; row++) {
    const block = blocks[Math.floor((row * n) / T)];
    for (let column = 0; column < T; column++, i++) {
      const place = Math.floor((column * n) / T);
      if (values[i] > block[place]) block[place] = values[i];
    }
  }
  return blocks;
}
