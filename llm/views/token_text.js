/** How text and bytes are written so that all of them can be seen. */

/** @typedef {import("./bpe.js").Token} Token */
/** @typedef {{label: string, partial: {part: number, whole: number, character: string} | null}} Span */

const UNSEEN_SIGNS = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u007f": "␡", "\u00a0": "⍽" };
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Zs}\p{Variation_Selector}]/gu;

/**
 * Text with a sign for each character that could not be seen or would change what is around it.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(UNSEEN, signOf).replace(/^\p{M}/u, "◌$&");
}

/** @param {string} character */
function signOf(character) {
  const code = character.codePointAt(0);
  if (UNSEEN_SIGNS[character]) return UNSEEN_SIGNS[character];
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  return `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}

/** Text of some bytes, or their hexadecimal form where they are no whole characters. */
export function bytesText(bytes) {
  try {
    return visible(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return hex(bytes);
  }
}

/**
 * What to write on each token; a token that cuts a character says which part it holds.
 * @param {string} text
 * @param {Token[]} tokens
 * @returns {Span[]}
 */
export function pieceText(text, tokens) {
  const owners = characterOfByte(text);
  let start = 0;
  return tokens.map(({ bytes }) => {
    const label = bytesText(bytes);
    const cut = owners.slice(start, start + bytes.length).map((owner, i) => ({ ...owner, at: start + i }));
    start += bytes.length;
    return { label, partial: label === hex(bytes) ? part(cut) : null };
  });
}

/** The character that a token cuts, with the number of its bytes that the token holds. */
function part(cut) {
  const whole = ({ character, length }) => cut.filter((byte) => byte.character === character).length === length;
  const broken = cut.find((byte) => byte.length > 1 && !whole(byte)) ?? cut.find((byte) => byte.length > 1);
  if (!broken) return null;
  const held = cut.filter((byte) => byte.start === broken.start).length;
  return { part: held, whole: broken.length, character: visible(broken.character) };
}

function characterOfByte(text) {
  const encoder = new TextEncoder();
  let start = 0;
  return Array.from(text).flatMap((character) => {
    const { length } = encoder.encode(character);
    const owner = { character, length, start };
    start += length;
    return Array(length).fill(owner);
  });
}

/** Every character is a token: with a vocabulary its ids, else the number that Unicode gives it. */
export class Characters {
  /** @param {{ids?: Record<string, number>}} way */
  constructor({ ids }) {
    this.ids = ids && new Map(Object.entries(ids));
  }

  /** @param {string} text @returns {Token[]} */
  encode(text) {
    const encoder = new TextEncoder();
    return Array.from(text, (character, word) => {
      const id = this.ids ? (this.ids.get(character) ?? null) : character.codePointAt(0);
      return { id, bytes: encoder.encode(character), word, rank: null, special: false };
    });
  }
}
