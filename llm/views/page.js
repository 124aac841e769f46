/** The page on which a view stands: its address and the files beside it. */

import { h } from "./parts.js";

/** Anchor and query of an address's last part, `#anchor?query`. @param {string} hash */
export function split(hash) {
  const [, name, query] = /^#([^?]*)\??(.*)$/s.exec(hash) ?? [];
  return [name, query];
}

/** `anchor`, or `anchor-2` and so on where a view has that name. @param {string} anchor */
export function freeAddress(anchor) {
  let address = anchor;
  for (let n = 2; document.getElementById(`llm-${address}`); n++) address = `${anchor}-${n}`;
  return address;
}

/** Whether the page has an address that a reader can share: not in a notebook or a blank frame. */
export function addressable() {
  return /^(https?|file):$/.test(location.protocol) && !document.querySelector("[data-jp-theme-light]");
}

export function sharedAddress(file) {
  return `${document.documentElement.dataset.content_root ?? "./"}_shared/${file}`;
}

export function loadScript(src) {
  return new Promise((resolve, reject) => {
    document.head.append(h("script", { src, onload: resolve, onerror: () => reject(new Error(src)) }));
  });
}
