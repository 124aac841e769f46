/** Dials with hands: an angle at a glance. */

import { s } from "./chart.js";

const LENGTH = 40; // of an arrow of length 1
const CLOSE = 16; // between two tips whose letters would touch
const ASIDE = 11;

/**
 * A dial with arrows from its middle, as pairs of right and up, the first drawn last.
 * @param {{to: number[], kind: string, letter?: string}[]} arrows
 */
export function dial(arrows) {
  const tips = arrows.map(({ to: [x, y] }) => [x * LENGTH, -y * LENGTH]);
  const near = tips.length === 2 && Math.hypot(tips[0][0] - tips[1][0], tips[0][1] - tips[1][1]) < CLOSE;
  const drawn = arrows.map(({ kind, letter = "" }, i) => {
    const [right, down] = tips[i];
    const part = (className, d) => s("path", { class: `${className} llm-hand-${kind}`, d });
    const aside = near ? (i ? ASIDE : -ASIDE) : 0; // letters that would cover each other step apart
    const at = { x: (1.28 * right + (aside * down) / LENGTH).toFixed(1), y: (1.28 * down - (aside * right) / LENGTH + 5).toFixed(1) };
    return [part("llm-hand", `M0 0L${dialPoint(right, down)}`), part("llm-hand-tip", barbs(right, down)),
      s("text", { class: `llm-hand-name llm-hand-${kind}`, "text-anchor": "middle", ...at }, letter)];
  });
  return s("svg", { class: "llm-dial", viewBox: "-62 -62 124 124", "aria-hidden": "true" },
    s("circle", { r: 44 }), s("path", { class: "llm-dial-axes", d: "M-44 0H44M0 -44V44" }), ...drawn.reverse().flat());
}

/** The tip of an arrow. */
function barbs(right, down) {
  const left = dialPoint(right - 0.16 * (right + down), down - 0.16 * (down - right));
  return `M${left}L${dialPoint(right, down)}L${dialPoint(right - 0.16 * (right - down), down - 0.16 * (down + right))}`;
}

function dialPoint(right, down) {
  return `${right.toFixed(2)} ${down.toFixed(2)}`;
}
