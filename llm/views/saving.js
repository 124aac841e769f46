/** What a reader sees as a file: CSV, SVG or PNG. */

import { h } from "./parts.js";

/** @typedef {import("./parts.js").Table} Table */

const MARGIN = 12;
const CLEAR = "rgba(0, 0, 0, 0)";
const SIDES = ["Top", "Right", "Bottom", "Left"];
const PAINT = ["display", "opacity", "paint-order", "stroke-width", "stroke-dasharray", "font-size", "font-family", "font-weight"];

/** A table as CSV (RFC 4180), with the mark by which spreadsheets know UTF-8. @param {Table} table */
export function csv({ head, rows }) {
  const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const line = (values) => values.map(quote).join(",");
  return `\ufeff${[head, ...rows].map(line).join("\r\n")}\r\n`;
}

/** Save content as a file. @param {string} name @param {string} type @param {string | Blob} content */
export function download(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export async function savePng(name, picture) {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(snapshot(picture))}`;
  await image.decode();
  const scale = Math.min(2, 16_000 / Math.max(image.width, image.height));
  const canvas = h("canvas", { width: image.width * scale, height: image.height * scale });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(name, "image/png", blob));
}

/**
 * An element as SVG: a rectangle for each box that is painted and a text for each run of text.
 * @param {HTMLElement} element
 */
export function snapshot(element) {
  const hidden = element.hidden;
  element.hidden = false;
  element.classList.add("llm-whole"); // all of it, not only what is scrolled into sight
  const paper = toRgb(getComputedStyle(element).getPropertyValue("--llm-paper"));
  const nodes = [...element.querySelectorAll(":not(svg *)")].filter((node) => node.checkVisibility());
  const frame = around(nodes);
  const draw = (node) => [...boxShapes(node, frame), ...shapes(node, frame)];
  const drawn = nodes.flatMap(draw);
  element.hidden = hidden;
  element.classList.remove("llm-whole");
  const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height)];
  const svg = svgElement("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  svg.append(svgElement("rect", { width, height, fill: paper }), ...drawn.filter(Boolean));
  return new XMLSerializer().serializeToString(svg);
}

/** What an element shows inside its box. */
function shapes(node, frame) {
  if (node.matches("svg")) return [drawing(node, frame)];
  return node.matches("canvas") ? [painting(node, frame)] : textShapes(node, frame);
}

/** A painting inside the element, as a picture of its pixels. @param {HTMLCanvasElement} canvas */
function painting(canvas, frame) {
  const place = within(canvas.getBoundingClientRect(), frame);
  if (!place.width || !canvas.width) return null;
  return svgElement("image", { ...place, preserveAspectRatio: "none", href: canvas.toDataURL(), style: "image-rendering: pixelated" });
}

/** A drawing inside the element, with the colours and letters that the page gives it. @param {SVGSVGElement} svg */
function drawing(svg, frame) {
  const box = svg.getBoundingClientRect();
  if (!box.width) return null;
  const copy = svg.cloneNode(true);
  const copies = copy.querySelectorAll("*");
  svg.querySelectorAll("*").forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of ["fill", "stroke"]) {
      if (style[name] === "none") continue;
      copies[i].setAttribute(name, toRgb(style[name]));
      copies[i].setAttribute(`${name}-opacity`, pixel(style[name])[3] / 255);
    }
    for (const name of PAINT) copies[i].setAttribute(name, style.getPropertyValue(name));
  });
  for (const [name, value] of Object.entries(within(box, frame))) copy.setAttribute(name, value);
  return copy;
}

/** What elements take up together, with a margin. @param {Element[]} nodes @returns {DOMRect} */
function around(nodes) {
  const boxes = nodes.map((node) => node.getBoundingClientRect()).filter((box) => box.width);
  const edge = (choose, side) => (boxes.length ? choose(...boxes.map((box) => box[side])) : 0);
  const [x, y] = [edge(Math.min, "left") - MARGIN, edge(Math.min, "top") - MARGIN];
  return new DOMRect(x, y, edge(Math.max, "right") + MARGIN - x, edge(Math.max, "bottom") + MARGIN - y);
}

/** Background and borders of an element: of each of its boxes where it is broken over lines. */
function boxShapes(node, frame) {
  const style = getComputedStyle(node);
  const sides = SIDES.map((side) => [side, parseFloat(style[`border${side}Width`]), style[`border${side}Color`]]).filter(([, width, colour]) => width && colour !== CLEAR);
  if (!sides.length && style.backgroundColor === CLEAR) return [];
  const even = new Set(sides.map(([, ...look]) => String(look))).size === 1 && sides.length === 4;
  const boxes = [...node.getClientRects()].filter((box) => box.width).map((box) => within(box, frame));
  return boxes.flatMap((box) => [boxShape(box, style, even ? sides[0] : []), ...(even ? [] : sides.map((side) => edge(box, side)))]);
}

/** A box with its background and, where it is the same all around, its border. */
function boxShape({ x, y, width, height }, style, [, border = 0, colour]) {
  const d = roundedBox(x + border / 2, y + border / 2, width - border, height - border, style);
  return svgElement("path", { d, fill: toRgb(style.backgroundColor), stroke: border ? toRgb(colour) : "none", "stroke-width": border });
}

/** One side of a border. */
function edge({ x, y, width, height }, [side, thick, colour]) {
  const place = {
    Top: { x, y, width, height: thick }, Bottom: { x, y: y + height - thick, width, height: thick },
    Left: { x, y, width: thick, height }, Right: { x: x + width - thick, y, width: thick, height },
  };
  return svgElement("rect", { ...place[side], fill: toRgb(colour) });
}

/** Where a box stands inside the picture. @param {DOMRect} box @param {DOMRect} frame */
function within({ x, y, width, height }, frame) {
  return { x: x - frame.x, y: y - frame.y, width, height };
}

/** Path of a box whose corners have the radii of `style`. */
function roundedBox(x, y, width, height, style) {
  const corner = (name) => Math.min(parseFloat(style[`border${name}Radius`]), width / 2, height / 2);
  const [a, b, c, d] = ["TopLeft", "TopRight", "BottomRight", "BottomLeft"].map(corner);
  return `M${x + a} ${y}h${width - a - b}q${b} 0 ${b} ${b}v${height - b - c}q0 ${c} ${-c} ${c}` +
    `h${-(width - c - d)}q${-d} 0 ${-d} ${-d}v${-(height - d - a)}q0 ${-a} ${a} ${-a}z`;
}

function textShapes(node, frame) {
  const style = getComputedStyle(node);
  const texts = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
  return texts.flatMap(lines).map(([line, box]) => {
    const size = parseFloat(style.fontSize);
    const place = { x: box.x - frame.x, y: box.y - frame.y + box.height / 2 + size * 0.34 };
    const font = { "font-size": size, "font-family": style.fontFamily, "font-weight": style.fontWeight };
    const text = svgElement("text", { ...place, ...font, fill: toRgb(style.color), "xml:space": "preserve" });
    text.textContent = plain(line);
    return text;
  });
}

/** The lines that a run of text takes up, each with the box of its first word. @param {Text} text */
function lines(text) {
  const found = [];
  const range = document.createRange();
  for (const { 0: word, index } of text.data.matchAll(/\S+\s*/g)) {
    range.setStart(text, index);
    range.setEnd(text, index + word.trimEnd().length);
    const box = range.getBoundingClientRect();
    const last = found.at(-1);
    if (last && Math.abs(last[1].y - box.y) < box.height / 2) last[0] += word;
    else found.push([word, box]);
  }
  return found.map(([line, box]) => [line.trimEnd(), box]);
}

function svgElement(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A CSS colour of any kind as `rgb()`, which every drawing program reads. @param {string} colour */
function toRgb(colour) {
  const [r, g, b, a] = pixel(colour);
  return a ? `rgb(${r},${g},${b})` : "none";
}

/** Red, green, blue and opacity of a CSS colour, 0 to 255. @param {string} colour */
function pixel(colour) {
  const pen = h("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

/** @param {string} text @returns {string} without what XML forbids */
function plain(text) {
  return text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd");
}
