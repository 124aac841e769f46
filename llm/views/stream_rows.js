/** Vectors below one another, each with its name and its length. */

import { h } from "./parts.js";
import { bothSigns, heatRows, norm } from "./heat_rows.js";

/** Vectors as rows of colour on one scale, each with its length: [label, vector] pairs. */
export function streamRows(frame, stream) {
  const place = bothSigns(stream.map(([, row]) => row));
  return stream.flatMap(([label, row]) => [h("dt", {}, label), h("dd", {}, heatRows(label, [row], place), h("span", { class: "llm-place" }, frame.t("length", { length: norm(row).toFixed(1) })))]);
}
