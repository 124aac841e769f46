/** One query with its numbers: each key's product, score and weight, and the values that it gathers. */

import { button, choice, h, isolate, markOption, roving } from "./parts.js";
import { decimal } from "./attention_reading.js";
import { hasBias } from "./attention_stages.js";

const FEW = 6; // keys shown before the reader asks for all
const MANY = 24; // features from which their cells stand side by side without a gap
const [ACROSS, NARROW] = [8, 4]; // features side by side, in a wide view and in a narrow one

export class QueryNumbers {
  /** @param {import("./frame.js").Frame} frame @param {(change: Record<string, any>) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change, order: "strongest", all: false, shown: [] });
    this.title = h("p", { class: "llm-subtitle" });
    this.vector = h("div");
    this.legend = h("p", { class: "llm-legend" });
    this.head = h("div", { class: "llm-key-row llm-key-head", "aria-hidden": "true" });
    this.list = h("div", { class: "llm-keys", role: "listbox", "aria-label": frame.t("keys_label") });
    roving(this.list, { select: (i) => this.select(i), hover: () => {} });
    this.more = button("", () => this.turn({ all: !this.all }));
    this.orders = this.orderChoice();
    this.check = h("summary");
    this.sums = h("div", { class: "llm-column" });
    this.box = h("details", { class: "llm-more" }, this.check, this.sums);
    this.across = ACROSS;
    this.element = h("section", { class: "llm-column" }, this.title, this.vector, this.legend,
      this.orders, h("div", { class: "llm-keys" }, this.head, this.list), h("div", { class: "llm-controls" }, this.more), this.box);
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  fit() {
    const width = this.element.clientWidth; // 0 while it is hidden
    const across = width < 480 ? NARROW : ACROSS;
    if (width && across !== this.across) this.turn({ across });
  }

  orderChoice() {
    const { frame } = this;
    const choices = [["strongest", frame.t("order_strongest")], ["text", frame.t("order_text")]].map(([value, text]) => ({ value, content: [text] }));
    const box = choice({ name: frame.id("order"), legend: frame.t("order_label"), choices }, (order) => this.turn({ order }));
    box.classList.add("llm-stages");
    box.querySelector("input").checked = true;
    return box;
  }

  turn(change) {
    Object.assign(this, change);
    this.draw(this.reading, this.place);
  }

  select(index) {
    if (this.shown[index] !== this.place.key) this.change({ key: this.shown[index] });
  }

  /** @param {import("./attention_reading.js").HeadReading} reading @param {import("./attention_stages.js").Place} place */
  draw(reading, place) {
    const { frame } = this;
    if (!this.reading) this.box.open = reading.model.config.head_dim <= ACROSS;
    Object.assign(this, { reading, place });
    const query = isolate(reading.word(place.query));
    this.title.textContent = frame.t("numbers_title", { query });
    this.vector.replaceChildren(...this.numbers([["q", reading.vector(place, "q", place.query)]]));
    this.legend.textContent = frame.t("numbers_legend") + this.sharing();
    const keys = this.ordered();
    this.more.hidden = keys.length <= FEW;
    this.more.textContent = this.all ? frame.t("show_few") : frame.t("show_all", { n: keys.length });
    this.fill(this.all ? keys : keys.slice(0, FEW));
    this.drawSums();
  }

  /** Keys in the order that the reader wants; the few that are shown first hold the chosen one. */
  ordered() {
    const { reading, place, order } = this;
    const weight = (key) => reading.weight(place, place.query, key);
    const keys = reading.keys(place.query);
    const sorted = keys.toSorted((a, b) => weight(b) - weight(a) || a - b);
    if (this.all) return order === "text" ? keys : sorted;
    const first = sorted.slice(0, FEW);
    if (reading.open(place.query, place.key) && !first.includes(place.key)) first[FEW - 1] = place.key;
    const rest = keys.filter((key) => !first.includes(key));
    return [...(order === "text" ? first.toSorted((a, b) => a - b) : first), ...rest];
  }

  fill(keys) {
    const focused = this.list.contains(document.activeElement);
    this.shown = keys;
    const options = keys.map((key) => this.row(key));
    this.list.replaceChildren(...options);
    this.head.replaceChildren(...this.heading());
    const chosen = keys.indexOf(this.place.key);
    markOption(options, chosen);
    if (chosen < 0) options[0].tabIndex = 0;
    if (focused) options[Math.max(0, chosen)].focus({ preventScroll: true });
  }

  heading() {
    const { frame, reading } = this;
    const score = hasBias(reading) ? frame.t("scaled") : `÷ √${reading.model.config.head_dim}`;
    const texts = [frame.t("key"), frame.named("role", "k"), frame.t("product"), score, frame.t("weight"), "", frame.named("role", "v")];
    return texts.map((text, i) => h("span", { class: i > 1 && i < 5 ? "llm-number" : i === 1 || i === 6 ? "llm-vector" : "" }, text));
  }

  row(key) {
    const { frame, reading, place } = this;
    const weight = reading.weight(place, place.query, key);
    const values = { product: decimal(reading.product(place, place.query, key)), scaled: decimal(reading.score(place, place.query, key)), weight: decimal(weight) };
    const bar = h("span", { class: "llm-bar", "aria-hidden": "true" }, h("span", { style: `inline-size: ${(100 * weight).toFixed(1)}%` }));
    const strips = ["k", "v"].map((part) => strip(part, frame.named("role", part), reading.vector(place, part, key)));
    return h("div", { role: "option", tabindex: -1, class: "llm-key-row", "aria-label": frame.t("key_option", { key: isolate(reading.word(key)), ...values }) },
      h("span", { class: "llm-key-word" }, reading.word(key), h("span", { class: "llm-place" }, String(key))), strips[0], Object.values(values).map((text) => h("span", { class: "llm-number" }, text)), bar, strips[1]);
  }

  /** The chosen key's product and share of the output, feature by feature. */
  drawSums() {
    const { frame, reading, place } = this;
    const { query, key } = place;
    const open = reading.open(query, key);
    this.box.hidden = !open;
    if (!open) return;
    const [q, k, v] = [["q", query], ["k", key], ["v", key]].map(([part, token]) => reading.vector(place, part, token));
    const weight = reading.weight(place, query, key);
    this.check.textContent = frame.t("check_title", { query: isolate(reading.word(query)), key: isolate(reading.word(key)) });
    const product = this.numbers([["q", q], ["k", k], [frame.t("row_product"), q.map((value, d) => value * k[d])]]);
    const mix = this.numbers([["v", v], [frame.t("row_mix", { weight: decimal(weight) }), v.map((value) => value * weight)], ["output", reading.output(place, query)]]);
    this.sums.replaceChildren(...product, h("p", { class: "llm-legend" }, this.sum()), ...mix, h("p", { class: "llm-legend" }, frame.t("sum_output")));
  }

  sum() {
    const { frame, reading, place } = this;
    const d = reading.model.config.head_dim;
    const [product, score] = [reading.product(place, place.query, place.key), reading.score(place, place.query, place.key)];
    const scaled = product / Math.sqrt(d);
    const words = { product: decimal(product), scaled: decimal(scaled), score: decimal(score), bias: decimal(score - scaled), d };
    return frame.t(hasBias(reading) ? "sum_bias" : "sum_product", words);
  }

  /** Which heads use these keys and values, where several do. */
  sharing() {
    const { frame, reading, place } = this;
    const { n_heads, n_kv_heads } = reading.model.config;
    if (n_heads === n_kv_heads) return "";
    const same = Array.from({ length: n_heads }, (_, head) => head).filter((head) => reading.group({ head }) === reading.group(place));
    return ` ${frame.t("shared_heads", { heads: same.map((head) => `${place.layer}.${head}`).join(", ") })}`;
  }

  /** Rows of numbers under one another, a few features across; a row of a role has its colour and letter. */
  numbers(rows) {
    const { frame, across } = this;
    const parts = Math.ceil(rows[0][1].length / across);
    return Array.from({ length: parts }, (_, part) => {
      const cut = ([name, values]) => [name, values.subarray(part * across, (part + 1) * across)];
      return h("table", { class: "llm-numbers" }, h("tbody", {}, rows.map(cut).map(([name, values]) => h("tr", { class: /^\w+$/.test(name) ? `llm-role-${name}` : "llm-sum" },
        h("th", { scope: "row" }, frame.named("role", name)), Array.from(values, (value) => h("td", { class: "llm-number" }, decimal(value)))))));
    });
  }

  /** Every number of the query, key by key. @returns {import("./parts.js").Table} */
  table() {
    const { frame, reading, place } = this;
    const { query } = place;
    const each = (letter) => Array.from({ length: reading.model.config.head_dim }, (_, d) => `${letter}${d}`);
    const head = ["#", frame.t("key"), ...each("k"), frame.t("product"), frame.t("scaled"), frame.t("weight"), ...each("v")];
    const round = (values) => Array.from(values, (value) => value.toFixed(4));
    const blank = each("").map(() => "");
    const rows = reading.keys(query).map((key) => {
      const sums = [reading.product(place, query, key), reading.score(place, query, key), reading.weight(place, query, key)];
      return [key, reading.word(key), ...round(reading.vector(place, "k", key)), ...round(sums), ...round(reading.vector(place, "v", key))];
    });
    const first = ["", `${frame.named("role", "q")}: ${reading.word(query)}`, ...round(reading.vector(place, "q", query)), "", "", "", ...blank];
    const last = ["", frame.named("role", "output"), ...blank, "", "", "", ...round(reading.output(place, query))];
    const caption = frame.t("table_caption", { head: `${place.layer}.${place.head}`, query: reading.word(query) });
    return { caption, head, rows: [first, ...rows, last] };
  }
}

/** A vector as cells of colour, the deeper the further from 0; below 0 with a line. */
function strip(role, letter, values) {
  const most = Math.max(1e-9, ...values.map(Math.abs));
  const cells = Array.from(values, (value) => h("span", { class: value < 0 ? "llm-below" : "", style: `--deep: ${(Math.abs(value) / most).toFixed(2)}` }));
  return h("span", { class: `llm-vector llm-role-${role}${values.length > MANY ? " llm-dense" : ""}`, "aria-hidden": "true" }, h("b", {}, letter), cells);
}
