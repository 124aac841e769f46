/** Do I know it now? Questions to check oneself with. Python's half is `quiz_view.py`. */

import { Item } from "./quiz_item.js";
import { Kept } from "./kept.js";
import { button, h } from "./parts.js";

/** @param {import("./frame.js").Frame} frame */
export function mount(frame) {
  const quiz = new Questions(frame);
  frame.compose(frame.data.title, quiz.state, { table: () => quiz.table(), picture: quiz.list });
  frame.onAddress((state) => quiz.apply(state));
}

class Questions {
  /** @param {import("./frame.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.state = { question: 1 };
    this.kept = new Kept(frame.address);
    this.items = frame.data.questions.map((asked, i) => new Item(frame, asked, i + 1, () => this.change()));
    this.list = h("ol", { class: "llm-quiz" }, this.items.map(({ element }) => element));
    this.list.addEventListener("focusin", (event) => this.enter(event.target.closest(".llm-quiz > li")));
    this.score = h("p", { class: "llm-total" });
    const clear = button(frame.t("clear"), () => this.clear());
    const where = h("p", { class: "llm-legend" }, frame.t(this.kept.lasting ? "kept" : "not_kept"));
    const foot = h("div", { class: "llm-controls llm-quiz-foot" }, this.score, clear, where);
    frame.body.append(this.list, foot);
    this.take(this.kept.read());
  }

  /** Take up answers of an earlier visit, if they are to these questions. @param {any} kept */
  take(kept) {
    const done = kept?.digest === this.frame.data.digest && Array.isArray(kept.done) ? kept.done : [];
    this.items.forEach((item, i) => item.take(done[i]));
    this.update();
  }

  change() {
    this.kept.write({ digest: this.frame.data.digest, done: this.items.map(({ done }) => done) });
    this.update();
  }

  clear() {
    this.kept.write(null);
    this.take(null);
    this.frame.announce(this.frame.t("cleared"));
  }

  update() {
    const { frame, items } = this;
    const right = items.filter(({ done }) => done.first).length;
    const open = items.filter(({ done }) => done.first === null).length;
    const score = frame.t("score", { right, all: items.length });
    this.score.textContent = open ? `${score}, ${frame.t("open", { n: open })}` : score;
    frame.redrawTable?.();
  }

  /** The reader turns to a question. @param {HTMLElement} element */
  enter(element) {
    this.state.question = [...this.list.children].indexOf(element) + 1;
    this.frame.remember();
  }

  /** Go to the question that an address names, once the page has leapt to the quiz. */
  apply({ question }) {
    const place = Math.trunc(Number(question)) || 1;
    this.state.question = Math.max(1, Math.min(place, this.items.length));
    const { element } = this.items[this.state.question - 1];
    const go = () => element.scrollIntoView({ block: "nearest" });
    if (this.state.question > 1) requestAnimationFrame(() => requestAnimationFrame(go));
    for (const item of this.items) item.element.setAttribute("aria-current", item.element === element);
  }

  /** @returns {import("./parts.js").Table} */
  table() {
    const { frame, items } = this;
    const head = ["#", frame.t("table_question"), frame.t("table_answer"), frame.t("table_right")];
    return { caption: this.score.textContent, head, rows: items.map((item, i) => [i + 1, ...item.row()]) };
  }
}
