/** A text as tokens in one line after another, each shaded by how much it surprised the model. */

import { h, isolate, markOption, number, roving } from "./parts.js";

const FULL = 6; // nats from which the shade is at its deepest

/**
 * @typedef {{label: string, surprise: number | null, note?: string}} StripToken  surprise in nats; the
 *   note is said and shown with the token, for instance that it is no word the model knows
 */

export class TokenStrip {
  /** @param {string} label  of the list @param {(index: number) => void} choose */
  constructor(label, choose) {
    this.element = h("div", { class: "llm-strip", dir: "auto", role: "listbox", "aria-orientation": "horizontal", "aria-label": label });
    const select = (index) => index !== this.chosen && choose(index);
    roving(this.element, { select, hover: () => {} });
  }

  /** @param {StripToken[]} tokens @param {number} chosen @param {(token: StripToken) => string} say */
  draw(tokens, chosen, say) {
    this.chosen = chosen;
    const options = tokens.map((token) => this.option(token, say));
    const focused = this.element.contains(document.activeElement);
    this.element.replaceChildren(...options);
    markOption(options, chosen);
    if (focused) options[chosen]?.focus();
    reveal(this.element, options[chosen]);
  }

  option(token, say) {
    const deep = token.surprise === null ? 0 : Math.min(1, token.surprise / FULL);
    const strange = token.note ? " llm-strange" : "";
    return h("span", {
      role: "option", tabindex: -1, class: `llm-strip-token${strange}`, style: `--deep: ${deep.toFixed(3)}`,
      "aria-label": isolate(say(token)), title: token.note || null,
    }, token.label);
  }
}

/** Scroll a box, and nothing around it, until a part of it is in sight. @param {Element} [part] */
export function reveal(box, part) {
  if (!part) return;
  const [outer, inner] = [box.getBoundingClientRect(), part.getBoundingClientRect()];
  box.scrollTop += Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom);
}

/** How surprising each token was, in nats: −ln of the chance that it had. The first has none. */
export function surprises(ids, logits, V) {
  return ids.map((id, t) => (t ? -logChance(logits.subarray((t - 1) * V, t * V), id) : null));
}

/** ln of the probability that some logits give an id. */
export function logChance(logits, id) {
  let most = -Infinity;
  for (const logit of logits) most = Math.max(most, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - most);
  return logits[id] - most - Math.log(total);
}

/** A probability for the eye: 12.5 %, 0.03 %, and "under 0.01 %" in numbers. @param {number} p */
export function percent(p) {
  const share = p * 100;
  return share > 0 && share < 0.01 ? "< 0.01 %" : `${number(share >= 10 ? Math.round(share * 10) / 10 : share)} %`;
}
