/** Where does my text break into tokens, and why there? Python's half is `tokenizer_view.py`. */

import { BPE, unpack } from "./bpe.js";
import { MergeSteps } from "./merge_steps.js";
import { facts } from "./token_facts.js";
import { Characters, hex, pieceText, visible } from "./token_text.js";
import { button, choice, h, markOption, roving } from "./parts.js";

/** @typedef {import("./bpe.js").Token} Token */
/** @typedef {{key: string, name: string, table?: string, ids?: Record<string, number>}} Way */

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const view = new Tokenizer(frame);
  frame.compose(frame.t("question"), view.state, { table: () => view.table(), picture: view.row });
  frame.onAddress((state) => view.apply(state));
  view.update();
  frame.loadWhenSeen(() => view.loadAll());
}

class Tokenizer {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    /** @type {Way[]} */
    this.ways = frame.data.ways;
    this.state = { text: frame.data.text, mode: frame.data.mode, token: 0, step: 0 };
    this.engines = new Map(this.ways.filter((way) => !way.table).map((way) => [way.key, new Characters(way)]));
    this.problem = ""; // said until the page is left: a vocabulary is missing
    this.steps = new MergeSteps(frame, (step) => this.remember({ step }));
    this.build();
  }

  build() {
    const { frame } = this;
    this.field = this.textField();
    this.choice = this.waysChoice();
    this.counts = h("p", { class: "llm-counts" });
    this.row = h("div", { class: "llm-tokens", role: "listbox", "aria-orientation": "horizontal" });
    this.row.setAttribute("aria-label", frame.t("tokens_label"));
    this.legend = h("p", { class: "llm-legend" });
    this.details = h("div", { class: "llm-details", id: frame.id("details") });
    roving(this.row, { select: (i) => this.choose(i), hover: (i) => this.showDetails(i ?? this.state.token) });
    const result = h("section", { class: "llm-result" }, this.counts, this.row, this.legend, this.details);
    frame.body.append(this.field, this.choice, result, this.steps.element);
  }

  textField() {
    const { frame } = this;
    const id = frame.id("text");
    this.input = h("textarea", { id, rows: 2, dir: "auto", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.change({ text: this.input.value, token: 0 }));
    const examples = frame.data.examples.map((text) =>
      button(visible(text).replaceAll("␣", " "), () => this.change({ text, token: 0 }), { dir: "auto" }));
    const label = h("label", { for: id }, frame.t("text_label"));
    const row = h("div", { class: "llm-examples" }, h("span", {}, frame.t("examples_label")), examples);
    return h("div", { class: "llm-field" }, label, this.input, row);
  }

  /** Three ways to cut the text as cards, each with its count and a bar that compares them. */
  waysChoice() {
    this.cards = new Map();
    const choices = this.ways.map((way) => {
      const count = h("span", { class: "llm-count" }, "…");
      const bar = h("span", { class: "llm-bar", "aria-hidden": "true" }, h("span", {}));
      this.cards.set(way.key, { count, bar: bar.firstChild });
      return { value: way.key, content: [h("span", { class: "llm-name" }, way.name), count, bar] };
    });
    const legend = this.frame.t("ways_label");
    return choice({ name: this.frame.id("mode"), legend, choices }, (mode) => this.change({ mode, token: 0 }));
  }

  /** A change made by the reader: draw, say and remember it. @param {Partial<typeof this.state>} change */
  change(change) {
    this.apply(change);
    this.remember();
  }

  /** @param {Partial<typeof this.state>} [change] */
  remember(change = {}) {
    Object.assign(this.state, change);
    this.frame.remember();
  }

  /** State from the reader, the page or the address, made valid. @param {Record<string, any>} change */
  apply({ text = this.state.text, mode = this.state.mode, token = 0, step = 0 }) {
    const letters = Array.from(text.replace(/\p{Surrogate}/gu, "\ufffd"));
    const { limit } = this.frame.data;
    this.frame.tell(letters.length > limit ? this.frame.t("cut", { length: letters.length, limit }) : this.problem);
    this.state.text = letters.slice(0, limit).join("");
    if (this.ways.some((way) => way.key === mode)) this.state.mode = mode;
    this.state.token = Math.max(0, Math.trunc(Number(token)) || 0);
    this.state.step = Math.max(0, Math.trunc(Number(step)) || 0);
    this.update();
  }

  async loadAll() {
    for (const way of this.ways.filter((each) => each.table)) {
      try {
        this.engines.set(way.key, new BPE(way, await unpack(await this.frame.load(way.table))));
      } catch (error) {
        console.error(error);
        this.problem = this.frame.t("not_loaded", { name: way.name });
        this.frame.tell(this.problem);
      }
      this.update();
    }
  }

  update() {
    const { text, mode } = this.state;
    if (this.input.value !== text) this.input.value = text;
    this.row.dir = this.steps.pieces.dir = getComputedStyle(this.input).direction;
    this.encoded = new Map([...this.engines].map(([key, engine]) => [key, engine.encode(text)]));
    this.tokens = this.encoded.get(mode) ?? [];
    this.spans = pieceText(text, this.tokens);
    this.updateCards();
    this.updateCounts();
    this.drawRow();
    this.updateParts();
    this.select(Math.min(this.state.token, Math.max(0, this.tokens.length - 1)));
    this.frame.redrawTable?.();
  }

  /** Show the parts that have something to say: most wait until the vocabulary is loaded. */
  updateParts() {
    const { frame } = this;
    const engine = this.engines.get(this.state.mode);
    this.details.hidden = this.steps.element.hidden = !engine;
    frame.body.classList.toggle("llm-loading", !engine && !this.problem);
    this.legend.hidden = !(engine instanceof BPE);
    const cut = this.spans.some((span) => span.partial);
    this.legend.textContent = frame.t("legend") + (cut ? ` ${frame.t("legend_bytes")}` : "");
  }

  updateCards() {
    const most = Math.max(1, ...[...this.encoded.values()].map((tokens) => tokens.length));
    for (const [key, { count, bar }] of this.cards) {
      const length = this.encoded.get(key)?.length;
      count.textContent = length === undefined ? "…" : this.frame.count("token_count", length);
      bar.style.inlineSize = `${(100 * (length ?? 0)) / most}%`;
    }
    const chosen = this.choice.querySelector(`input[value="${this.state.mode}"]`);
    chosen.checked = true;
  }

  updateCounts() {
    const { frame, tokens } = this;
    if (!this.engines.has(this.state.mode)) return this.counts.replaceChildren(this.problem ? "" : frame.t("loading"));
    const characters = Array.from(this.state.text).length;
    const counts = [
      frame.count("character_count", characters),
      frame.count("byte_count", new TextEncoder().encode(this.state.text).length),
      frame.count("token_count", tokens.length),
      frame.count("ratio", characters / (tokens.length || 1)),
    ];
    this.counts.textContent = counts.join(" · ");
    frame.announce(`${this.way().name}: ${this.counts.textContent}`);
  }

  drawRow() {
    const words = new Map();
    this.tokens.forEach((token, i) => {
      if (!words.has(token.word)) words.set(token.word, h("span", { class: "llm-word", role: "none" }));
      words.get(token.word).append(this.chip(token, i));
    });
    this.options = [...words.values()].flatMap((word) => [...word.children]);
    const lineEnds = (word) => (word.lastChild.firstChild.textContent.endsWith("⏎") ? [word, h("br")] : [word]);
    this.row.replaceChildren(...[...words.values()].flatMap(lineEnds));
  }

  /** @param {Token} token @param {number} index */
  chip(token, index) {
    const { label, partial } = this.spans[index];
    const kind = token.special ? " llm-special" : partial ? " llm-partial" : "";
    const attributes = { class: `llm-chip llm-tint-${index % 3}${kind}`, role: "option", tabindex: -1 };
    const text = h("span", { class: "llm-text", dir: "auto" }, label);
    return h("span", attributes, text, h("span", { class: "llm-id" }, String(token.id ?? "–")));
  }

  /** @param {number} index */
  select(index) {
    markOption(this.options, index);
    this.options[index]?.setAttribute("aria-describedby", this.details.id);
    this.showDetails(index);
    this.steps.show(this.engines.get(this.state.mode), this.wordOf(index), this.state.step);
  }

  /** A token chosen by the reader. @param {number} index */
  choose(index) {
    if (index === this.state.token) return;
    const sameWord = this.tokens[index].word === this.tokens[this.state.token]?.word;
    this.remember({ token: index, step: sameWord ? this.state.step : 0 });
    this.select(index);
  }

  /** The pre-token around a token, or null where nothing merges. @param {number} index */
  wordOf(index) {
    const token = this.tokens[index];
    if (!token || token.special || !(this.engines.get(this.state.mode) instanceof BPE)) return null;
    const parts = this.tokens.filter((other) => other.word === token.word);
    return new TextDecoder().decode(Uint8Array.from(parts.flatMap((part) => [...part.bytes])));
  }

  /** @param {number} index */
  showDetails(index) {
    const { frame, tokens } = this;
    if (!tokens[index]) return this.details.replaceChildren(h("p", {}, frame.t("no_tokens")));
    const shown = { engine: this.engines.get(this.state.mode), tokens, spans: this.spans };
    const list = facts(frame, shown, index).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
    this.details.replaceChildren(h("dl", {}, list));
  }

  way() {
    return this.ways.find((way) => way.key === this.state.mode);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame } = this;
    const head = ["#", frame.t("fact_token"), frame.t("fact_id"), frame.t("fact_bytes"), frame.t("fact_rank")];
    const rows = this.tokens.map((token, i) =>
      [i + 1, this.spans[i].label, token.id ?? "", hex(token.bytes), token.rank ?? ""]);
    return { caption: `${this.way().name}: ${this.counts.textContent}`, head, rows };
  }
}
