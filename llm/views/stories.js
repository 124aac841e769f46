/** The process that tells the stories, the same as `llm/stories.py`: exact chances of every next word. */

/**
 * @typedef {Map<string, number>} Options  what a word may be, with its probability
 * @typedef {{word: string, kind: string, options: Options}} Told
 */

const END = "<|end|>";
const WORD = /<\|end\|>|[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]/gu;

/**
 * Read a beginning of a story.
 * @param {string} text
 * @param {Record<string, any>} words  the lists to choose from, those of `llm.story_words.WORDS`
 * @returns {{told: Told[], next: Options | null, stranger: string | null}}  the words that a story may
 *   begin with, the chances of the next one, and the first word with which no story goes on
 */
export function readStory(text, words) {
  const story = new Telling(words).tell();
  const told = [];
  let choice = story.next();
  for (const word of text.match(WORD) ?? []) {
    if (choice.done || !choice.value.options.has(word)) return { told, next: null, stranger: word };
    told.push({ word, ...choice.value });
    choice = story.next(word);
  }
  return { told, next: choice.done ? new Map() : choice.value.options, stranger: null };
}

/** One story as it is told: it yields what the next word may be, and is given the word that comes. */
class Telling {
  constructor(words) {
    this.words = words;
  }

  *say(text, kind = "fixed") {
    for (const word of text.split(" ")) yield { kind, options: new Map([[word, 1]]) };
  }

  *one(kind, choices) {
    return yield { kind, options: new Map(choices.map((word) => [word, 1 / choices.length])) };
  }

  *tell() {
    const { words } = this;
    yield* this.introduce();
    yield* this.say("One day");
    this.owner = yield* this.one("name", this.people);
    yield* this.say("found a");
    this.thing = [yield* this.one("colour", words.colours), yield* this.one("object", words.things)];
    yield* this.say("in the");
    yield* this.one("place", words.finds);
    yield* this.say(".");
    for (let told = 0; told <= words.max_events; told++) {
      const start = yield* this.startEvent(told);
      if (start === "Who") break;
      yield* this.event(start);
      yield* this.say(".");
    }
    yield* this.say("has the");
    yield* this.recall();
    yield* this.say("now ?");
    yield* this.say(this.owner, "owner");
    yield* this.say(".");
    yield* this.say(END, "end");
  }

  *introduce() {
    const { words } = this;
    yield* this.say("Once there was a");
    const [pronoun, verb, places] = words.roles[yield* this.one("role", Object.keys(words.roles))];
    yield* this.say("called");
    const hero = yield* this.one("name", pronoun === "She" ? words.she : words.he);
    yield* this.say(".");
    yield* this.say(pronoun, "pronoun");
    yield* this.say(verb, "verb");
    yield* this.say("in a");
    yield* this.one("place", places);
    yield* this.say(".");
    yield* this.say(hero, "name");
    yield* this.say("had three friends ,");
    this.people = [hero];
    for (const separator of [",", "and", "."]) {
      const others = [...words.she, ...words.he].filter((name) => !this.people.includes(name));
      this.people.push(yield* this.one("name", others));
      yield* this.say(separator);
    }
  }

  /** The first word after `told` events: of another one, or of the closing question. */
  *startEvent(told) {
    if (told === this.words.max_events) return yield { kind: "question", options: new Map([["Who", 1]]) };
    const part = told ? 0.8 : 1;
    const starts = [["Soon", 0.25], ["Then", 0.25], ["The", 0.15], ...this.people.map((name) => [name, 0.35 / this.people.length])];
    const options = new Map(starts.map(([word, chance]) => [word, part * chance]));
    if (told) options.set("Who", 0.2);
    return yield { kind: "start", options };
  }

  event(start) {
    const events = { Soon: () => this.gift(), Then: () => this.taking(), The: () => this.animal() };
    return (events[start] ?? (() => this.person(start)))();
  }

  *gift() {
    yield* this.say(this.owner, "owner");
    yield* this.say("gave the");
    yield* this.recall();
    yield* this.say("to");
    this.owner = yield* this.one("name", this.allBut(this.owner));
  }

  *taking() {
    const taker = yield* this.one("name", this.allBut(this.owner));
    yield* this.say("took the");
    yield* this.recall();
    yield* this.say("from");
    yield* this.say(this.owner, "owner");
    this.owner = taker;
  }

  allBut(name) {
    return this.people.filter((other) => other !== name);
  }

  *recall() {
    yield* this.say(this.thing[0], "colour");
    yield* this.say(this.thing[1], "object");
  }

  *animal() {
    const { words } = this;
    const pets = favouring(words.pets, 0.4);
    const first = yield { kind: "animal", options: new Map([...favouring(words.coats, 0.6), ...pets]) };
    if (pets.has(first)) {
      yield* this.say("sat on the");
      yield { kind: "place", options: favouring(words.seats) };
      return;
    }
    const [one, many] = [Object.keys(words.animals), Object.values(words.animals)];
    const animal = yield { kind: "animal", options: favouring([...one, ...many]) };
    const crosses = one.includes(animal) ? "crosses" : "cross";
    const after = yield { kind: "start", options: new Map([[crosses, 0.5], ["near", 0.5]]) };
    if (after === "near") {
      yield* this.say("the");
      yield* this.one("place", [...Object.keys(words.landmarks), ...Object.values(words.landmarks)]);
      yield* this.say(crosses, "agreement");
    }
    yield* this.say("the");
    yield { kind: "place", options: favouring(words.ways) };
  }

  *person(name) {
    const { words } = this;
    const meetings = Object.keys(words.meetings);
    const verbs = [["was", 0.5], ...meetings.map((verb) => [verb, 0.5 / meetings.length])];
    const verb = yield { kind: "verb", options: new Map(verbs) };
    if (verb === "was") {
      const feeling = yield* this.one("feeling", Object.keys(words.feelings));
      yield* this.say(", so");
      yield* this.say(words.she.includes(name) ? "she" : "he", "pronoun");
      yield* this.say(words.feelings[feeling], "action");
    } else {
      yield* this.say(words.meetings[verb], "preposition");
      yield* this.one("name", this.allBut(name));
    }
  }
}

/** `total` shared out: a quarter to the first of the choices, the rest evenly. */
function favouring([first, ...others], total = 1) {
  if (!others.length) return new Map([[first, total]]);
  return new Map([[first, total / 4], ...others.map((word) => [word, (0.75 * total) / others.length])]);
}
