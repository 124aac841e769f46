/** What each head's removal costs, worked out bit by bit while nothing else is to be done. */

import { softmax } from "./engine.js";
import { headName } from "./attention_reading.js";
import { allHeads } from "./attention_off.js";

const CALM = 600; // milliseconds without a change before the work begins
const SLICE = 12; // milliseconds of work after which the page gets a turn

/** @typedef {{loss: number, chance: number}} Cost  rise of the loss; chance of what was the first choice */

export class HeadCosts {
  /** @param {(costs: Map<string, Cost>) => void} changed  told whenever a head has been measured */
  constructor(changed) {
    this.changed = changed;
    this.costs = new Map();
  }

  /** Begin with another text, and forget the last. @param {import("./attention_reading.js").HeadReading} reading */
  start(reading) {
    clearTimeout(this.timer);
    this.costs = new Map();
    if (reading.length < 2) return;
    const steps = this.measure(reading);
    const work = () => {
      const end = performance.now() + SLICE;
      let done;
      do ({ done } = steps.next());
      while (!done && performance.now() < end);
      if (!done) this.timer = setTimeout(work, 0);
    };
    this.timer = setTimeout(work, CALM);
  }

  *measure(reading) {
    const base = reading.loss(reading.logits);
    const logits = reading.last(reading.logits);
    const first = logits.indexOf(Math.max(...logits));
    for (const at of allHeads(reading.model.config)) {
      const without = yield* reading.without([at]);
      yield;
      const chance = softmax(reading.last(without))[first];
      this.costs.set(headName(at), { loss: reading.loss(without) - base, chance });
      this.changed(this.costs);
      yield;
    }
  }
}
