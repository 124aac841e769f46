/** What Python has packed: base64 of gzip. */

/** @param {string} base64 @returns {Promise<Response>} whose body is what was packed */
export async function gunzip(base64) {
  const zipped = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip")));
}
