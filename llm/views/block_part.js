/** One part in numbers: the row before, what is added, the row after; and the switch that leaves it out. */

import { button, h, isolate } from "./parts.js";
import { streamRows } from "./stream_rows.js";
import { norm } from "./heat_rows.js";
import { percent } from "./token_strip.js";
import { partName, shortly, signed } from "./block_list.js";
import { partNames } from "./block_stream.js";
import { Prediction } from "./predict.js";

const OFFERED = 4; // words to choose from

export class PartDetail {
  /** @param {import("./frame.js").Frame} frame @param {(change: Record<string, any>) => void} change */
  constructor(frame, change) {
    Object.assign(this, { frame, change });
    this.title = h("p", { class: "llm-subtitle" });
    this.rows = h("dl", { class: "llm-stream" });
    this.tell = h("p", { class: "llm-message llm-tell" });
    this.toggle = button("", () => this.switch(), { "aria-pressed": false });
    this.reset = button(frame.t("all_on"), () => change({ without: "" }));
    this.prediction = new Prediction(frame, "quiz");
    this.status = h("p", { class: "llm-message" });
    const buttons = h("div", { class: "llm-controls" }, this.toggle, this.reset);
    this.element = h("div", { class: "llm-column" }, this.title, this.rows, h("p", { class: "llm-legend" }, frame.t("rows_legend")), this.tell,
      this.prediction.element, buttons, this.status);
  }

  switch() {
    const { part, off } = this.shown;
    const rest = off.filter((other) => other !== part);
    this.change({ without: (rest.length < off.length ? rest : [...off, part]).join(",") });
  }

  /**
   * @param {{step: import("./block_stream.js").Step, reading: import("./block_stream.js").StreamReading, token: number,
   *   off: string[], id: number, word: (id: number) => string}} shown
   */
  draw(shown) {
    const { frame } = this;
    const { step, off, id, word, reading, token } = shown;
    const { part, before, added, after } = step;
    this.shown = { ...shown, part };
    const name = partInText(frame, part);
    this.title.textContent = partName(frame, part);
    const rows = before ? [["before", before], ["added", added], ["after", after]] : [["after", after]];
    this.rows.replaceChildren(...streamRows(frame, rows.map(([key, row]) => [frame.t(`row_${key}`), row])));
    this.tell.textContent = this.sentence(step, reading.brings(added, id, token), word);
    const isOff = off.includes(part);
    this.toggle.hidden = !before;
    this.toggle.textContent = frame.t(isOff ? "switch_on" : "switch_off", { part: name });
    this.toggle.setAttribute("aria-pressed", isOff);
    this.reset.hidden = !off.length;
    this.ask(isOff, name);
  }

  sentence({ part, before, added, cosine, says }, brings, word) {
    const { frame, shown } = this;
    const said = { word: isolate(word(says.id)), p: percent(says.p) };
    const lens = frame.t("tell_lens", said);
    if (!before) return `${frame.t("tell_embedding", { length: shortly(norm(added)) })} ${lens}`;
    if (shown.off.includes(part)) return `${frame.t("tell_off")} ${lens}`;
    const words = { added: shortly(norm(added)), before: shortly(norm(before)), cosine: signed(cosine, 2) };
    const logit = brings === null ? frame.t("tell_post") : frame.t("tell_logit", { word: isolate(word(shown.id)), logit: signed(brings, 1) });
    return [frame.t("tell_added", words), logit, lens].join(" ");
  }

  /** A question before a part goes off; the verdict stays while it is off. */
  ask(isOff, name) {
    const { reading, token, part, off } = this.shown;
    const whole = reading.whole ?? reading;
    const asked = `${whole.text} ${token} ${part}`;
    if (isOff && this.asked === asked) return;
    this.prediction.element.hidden = off.length > 0 || !this.shown.step.before;
    if (this.prediction.element.hidden) return;
    this.asked = asked;
    const before = order(whole.chancesAt(token));
    const answers = () => order(whole.leaveOut([part]).chancesAt(token));
    this.put(name, before, answers);
  }

  put(name, before, answers) {
    const { frame } = this;
    const { word, part } = this.shown;
    const after = answers();
    const ids = [...new Set([before[0], after[0], ...after, ...before])].slice(0, OFFERED).sort((a, b) => a - b);
    const label = (id) => (id === before[0] ? frame.t("stays", { word: isolate(word(id)) }) : isolate(word(id)));
    this.prediction.show();
    this.prediction.ask(frame.t("quiz", { part: name }), ids.map(label), (i) => {
      this.prediction.close(ids.indexOf(after[0]));
      this.prediction.say(frame.t(ids[i] === after[0] ? "right" : "wrong", { guess: label(ids[i]), answer: label(after[0]) }));
      this.change({ without: part });
    });
  }

  /** What leaving out has changed. */
  compare() {
    const { frame } = this;
    const { reading, token, off, word } = this.shown;
    const say = (chances) => {
      const [id] = order(chances);
      return { word: isolate(word(id)), p: percent(chances[id]) };
    };
    const now = say(reading.chancesAt(token));
    if (!off.length) return (this.status.textContent = frame.t("status_whole", now));
    const whole = say(reading.whole.chancesAt(token));
    const parts = off.map((part) => partInText(frame, part)).join(", ");
    this.status.textContent = frame.t("status_off", { ...whole, parts, now: now.word, q: now.p });
  }
}

/** A part as it is named within a sentence. @param {import("./frame.js").Frame} frame @param {string} part */
function partInText(frame, part) {
  const [layer, kind] = part.split(".");
  return kind ? frame.t(`of_${kind}`, { layer }) : partName(frame, part);
}

/** The part that a text means: "2.ffn", or "2" for the first of block 2. @param {string} text */
export function partOf(text, config) {
  const part = /^\d+$/.test(text) ? `${text}.attention` : text;
  return partNames(config).includes(part) ? part : null;
}

/** Ids from the likeliest on. @param {Float64Array} chances */
function order(chances) {
  return Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a] || a - b);
}
