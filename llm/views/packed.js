/** What Python has packed: base64 of gzip. */

/** @param {string} base64 @returns {Promise<Response>} whose body is what was packed */
export async function gunzip(base64) {
  const letters = atob(base64);
  const zipped = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) zipped[i] = letters.charCodeAt(i);
  return new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip")));
}
