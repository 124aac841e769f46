/** What a view keeps for a reader in this browser, where that is allowed. */

export class Kept {
  /** @param {string} name  of what is kept, among all of this page */
  constructor(name) {
    this.key = `llm ${location.pathname}#${name}`;
    this.lasting = this.write(this.read()); // a sandboxed frame or a private window may refuse
  }

  /** What was kept, null where there is nothing or nothing that can be read. @returns {any} */
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  /** Keep a value; null forgets it. @param {any} value @returns {boolean} whether that worked */
  write(value) {
    try {
      if (value === null) localStorage.removeItem(this.key);
      else localStorage.setItem(this.key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }
}
