/** Positions in numbers: hands of a clock, arrows that turn, penalties for distance. */

export const QUERY = [1, 0]; // each pair of the query, unturned
export const KEY = [0.8, 0.6]; // each pair of the key
export const HEADS = 8; // of the model whose slopes are shown

/** How far each pair turns at a position, in radians: theta^(−2i / d). @param {number} d @param {number} theta */
export function turnRates(d, theta) {
  return Array.from({ length: d / 2 }, (_, i) => theta ** ((-2 * i) / d));
}

/** The row of a position: sine and cosine of each pair. @param {number} position @param {number[]} rates */
export function waveRow(position, rates) {
  return rates.flatMap((rate) => [Math.sin(position * rate), Math.cos(position * rate)]);
}

/** @param {ArrayLike<number>} one @param {ArrayLike<number>} other */
export function dotProduct(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

/** A pair of numbers as an arrow, turned to the left. @param {number[]} pair @param {number} angle */
export function turnedArrow([x, y], angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [x * c - y * s, x * s + y * c];
}

/** How well a query at one position matches a key at another. @param {number[]} rates */
export function rotaryMatch(query, key, rates) {
  return rates.reduce((sum, rate) => sum + dotProduct(turnedArrow(QUERY, query * rate), turnedArrow(KEY, key * rate)), 0);
}

/** How much a head takes off for each place of distance. @param {number} head  counted from 1 */
export function penaltySlope(head) {
  return 2 ** ((-8 * head) / HEADS);
}

/** A number with a true minus sign. @param {number} value @param {number} [digits] */
export function exactly(value, digits = 4) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** A number with as many digits as tell something, however small or large it is. @param {number} value */
export function telling(value) {
  if (value === 0 || (Math.abs(value) >= 0.1 && Math.abs(value) < 1000)) return exactly(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Number(value.toPrecision(4)).toString().replaceAll("-", "−");
}

/** An angle in degrees, from 0 to 360. @param {number} radians */
export function degrees(radians) {
  const turned = ((radians * 180) / Math.PI) % 360;
  return exactly(turned < 0 ? turned + 360 : turned, 1);
}

/** A whole number with a true minus sign. @param {number} value */
export function minus(value) {
  return String(value).replace("-", "−");
}
