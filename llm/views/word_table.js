/** A table of word vectors: cosines, neighbours, sums of rows. */

export class WordTable {
  /** @param {string[]} labels @param {Float32Array} numbers  (V, C), row by row */
  constructor(labels, numbers) {
    const columns = numbers.length / labels.length;
    this.labels = labels;
    this.rows = labels.map((_, i) => numbers.subarray(i * columns, (i + 1) * columns));
    this.norms = this.rows.map((row) => Math.sqrt(product(row, row)));
  }

  /** The cosine of a vector with every row. @param {ArrayLike<number>} vector @returns {number[]} */
  cosines(vector) {
    const length = Math.sqrt(product(vector, vector));
    return this.rows.map((row, i) => product(row, vector) / (length * this.norms[i] || 1));
  }

  /**
   * The rows that point most nearly where a vector points, best first.
   * @param {ArrayLike<number>} vector @param {number} most @param {number[]} [without]  rows left out
   * @returns {{id: number, cosine: number}[]}
   */
  nearest(vector, most, without = []) {
    const found = this.cosines(vector).map((cosine, id) => ({ id, cosine })).filter(({ id }) => !without.includes(id));
    return found.sort((one, other) => other.cosine - one.cosine || one.id - other.id).slice(0, most);
  }

  /** Row a minus row b plus row c. @param {number} a @param {number} b @param {number} c */
  sum(a, b, c) {
    return this.rows[a].map((value, i) => value - this.rows[b][i] + this.rows[c][i]);
  }
}

function product(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}
