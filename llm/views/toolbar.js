/** The tools of every view: table, link, stand-alone page, saving and full screen. */

import { addressable, sharedAddress } from "./page.js";
import { button, h, tableElement } from "./parts.js";
import { csv, download, savePng, snapshot } from "./saving.js";

/** @typedef {import("./parts.js").Table} Table */
/** @typedef {import("./frame.js").Frame} Frame */

/**
 * Buttons for table, link, stand-alone page, saving and full screen.
 * @param {Frame} frame
 * @param {{table: () => Table, picture: HTMLElement}} outputs
 */
export function toolbar(frame, { table, picture }) {
  const bar = h("div", { class: "llm-toolbar", role: "group", "aria-label": frame.t("tools") });
  bar.append(tableButton(frame, table, picture));
  if (addressable()) bar.append(button(frame.t("copy_link"), () => copyLink(frame)));
  if (frame.page) bar.append(pageLink(frame));
  bar.append(saveMenu(frame, table, picture));
  if (document.fullscreenEnabled) {
    bar.append(button(frame.t("full_screen"), () => toggleFullScreen(frame.root)));
  }
  return bar;
}

function tableButton(frame, table, picture) {
  const place = h("div", { class: "llm-table", hidden: true, tabindex: 0, role: "region" });
  place.setAttribute("aria-label", frame.t("as_table"));
  picture.after(place);
  frame.redrawTable = () => place.hidden || place.replaceChildren(tableElement(table()));
  const toggle = button(frame.t("as_table"), () => {
    place.hidden = !place.hidden;
    picture.hidden = !place.hidden;
    toggle.setAttribute("aria-pressed", !place.hidden);
    frame.redrawTable();
  }, { "aria-pressed": "false" });
  return toggle;
}

function copyLink(frame) {
  const url = new URL(frame.link(), location.href).href;
  const copied = navigator.clipboard?.writeText(url) ?? Promise.reject(new Error("no clipboard"));
  copied.then(
    () => frame.tell(frame.t("link_copied")),
    () => frame.tell(`${frame.t("link_shown")} ${url}`),
  );
}

function pageLink(frame) {
  const address = () => sharedAddress(frame.page) + frame.link();
  const update = () => link.setAttribute("href", address());
  const link = h("a", { class: "llm-button", href: sharedAddress(frame.page), onclick: update });
  link.append(frame.t("own_page"));
  return link;
}

function saveMenu(frame, table, picture) {
  const save = {
    SVG: () => download(`${frame.address}.svg`, "image/svg+xml", snapshot(picture)),
    PNG: () => savePng(`${frame.address}.png`, picture),
    CSV: () => download(`${frame.address}.csv`, "text/csv", csv(table())),
  };
  const close = () => (menu.open = false);
  const items = Object.entries(save).map(([kind, act]) =>
    button(kind, () => (act(), close()), { "aria-label": frame.t("save_as", { kind }) }));
  const menu = h("details", { class: "llm-menu" },
    h("summary", { class: "llm-button" }, frame.t("save")), h("div", {}, items));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    close();
    menu.firstChild.focus();
  });
  menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || close());
  return menu;
}

function toggleFullScreen(root) {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen().catch(() => {});
}
