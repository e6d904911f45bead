import { isOn, parenthesisedOptions, statementTokens } from '../migrations/statement-tokens.ts';

/** A name as the server's catalogs hold it, part by part: `App."T u"` is ['app', 'T u']. */
export type NameParts = readonly string[];

/** What there either is or is not, so that its existence alone tells whether a statement was carried out. */
export type PlainObject = 'database' | 'tablespace' | 'subscription' | 'prepared transaction';

/** What a statement does as far as the catalog can show it. */
export type BareStatement =
  | {
      readonly kind: 'create-index';
      /** Null where the server chooses the name. The index comes into the schema of its table. */
      readonly name: string | null;
      readonly table: NameParts;
      readonly ifNotExists: boolean;
      readonly unique: boolean;
    }
  | { readonly kind: 'drop-index'; readonly names: readonly NameParts[]; readonly ifExists: boolean }
  | {
      readonly kind: 'reindex';
      readonly target: 'index' | 'table' | 'schema' | 'database';
      /** Null where the server takes the database it is connected to. */
      readonly name: NameParts | null;
    }
  | { readonly kind: 'detach-partition'; readonly parent: NameParts; readonly partition: NameParts }
  | {
      readonly kind: 'add-publications' | 'drop-publications';
      readonly subscription: string;
      readonly publications: readonly string[];
    }
  | { readonly kind: 'create-object' | 'drop-object'; readonly object: PlainObject; readonly name: string }
  /** VACUUM, ALTER SYSTEM and the like, which may be repeated; also what cannot be read. */
  | { readonly kind: 'other' };

const other: BareStatement = { kind: 'other' };

/** Reads a statement by the grammar of PostgreSQL 15 to 18; what it is not made for comes back as `other`. */
export function readBareStatement(sql: string): BareStatement {
  const words = new Words(statementTokens(sql));
  switch (words.take()) {
    case 'CREATE':
      return readCreate(words) ?? other;
    case 'DROP':
      return readDrop(words) ?? other;
    case 'REINDEX':
      return readReindex(words) ?? other;
    case 'ALTER':
      return (words.peek() === 'SUBSCRIPTION' ? readPublications(words) : readDetach(words)) ?? other;
    case 'COMMIT':
    case 'ROLLBACK':
      return readEndOfPrepared(words) ?? other;
    default:
      return other;
  }
}

const plainObjects: Readonly<Record<string, PlainObject>> = {
  DATABASE: 'database',
  TABLESPACE: 'tablespace',
  SUBSCRIPTION: 'subscription',
};

function readCreate(words: Words): BareStatement | null {
  const object = plainObjects[words.peek() ?? ''];
  if (object !== undefined) {
    words.take();
    const name = words.name();
    return name === null ? null : { kind: 'create-object', object, name };
  }
  const unique = words.skip('UNIQUE');
  if (!words.skip('INDEX')) return null;
  words.skip('CONCURRENTLY');
  const ifNotExists = words.skip('IF', 'NOT', 'EXISTS');
  const named = words.peek() !== 'ON';
  const name = named ? words.name() : null;
  if ((named && name === null) || !words.skip('ON')) return null;
  const table = words.table();
  return table === null ? null : { kind: 'create-index', name, table, ifNotExists, unique };
}

function readDrop(words: Words): BareStatement | null {
  const object = plainObjects[words.peek() ?? ''];
  if (object !== undefined) {
    words.take();
    words.skip('IF', 'EXISTS');
    const name = words.name();
    return name === null ? null : { kind: 'drop-object', object, name };
  }
  if (!words.skip('INDEX')) return null;
  words.skip('CONCURRENTLY');
  const ifExists = words.skip('IF', 'EXISTS');
  const names: NameParts[] = [];
  do {
    const name = words.qualified();
    if (name === null) return null;
    names.push(name);
  } while (words.skip(','));
  return { kind: 'drop-index', names, ifExists };
}

const reindexTargets: Readonly<Record<string, 'index' | 'table' | 'schema' | 'database'>> = {
  INDEX: 'index',
  TABLE: 'table',
  SCHEMA: 'schema',
  DATABASE: 'database',
};

/** Only the concurrent form leaves anything behind when it is interrupted. */
function readReindex(words: Words): BareStatement | null {
  const listed = words.peek() === '(' && isOn(parenthesisedOptions(words.tokens, 1), 'CONCURRENTLY', false);
  if (words.peek() === '(') words.skipPast(')');
  const target = reindexTargets[words.take() ?? ''];
  const concurrently = words.skip('CONCURRENTLY') || listed;
  if (target === undefined || !concurrently) return null;
  return { kind: 'reindex', target, name: words.qualified() };
}

function readDetach(words: Words): BareStatement | null {
  if (!words.skip('TABLE')) return null;
  words.skip('IF', 'EXISTS');
  const parent = words.table();
  if (parent === null || !words.skip('DETACH', 'PARTITION')) return null;
  const partition = words.qualified();
  return partition !== null && words.skip('CONCURRENTLY') ? { kind: 'detach-partition', parent, partition } : null;
}

/** SET PUBLICATION and REFRESH may be repeated; these two are refused the second time. */
function readPublications(words: Words): BareStatement | null {
  words.take();
  const subscription = words.name();
  const verb = words.take();
  if (subscription === null || (verb !== 'ADD' && verb !== 'DROP') || !words.skip('PUBLICATION')) return null;
  const publications: string[] = [];
  do {
    const name = words.name();
    if (name === null) return null;
    publications.push(name);
  } while (words.skip(','));
  return { kind: verb === 'ADD' ? 'add-publications' : 'drop-publications', subscription, publications };
}

function readEndOfPrepared(words: Words): BareStatement | null {
  if (!words.skip('PREPARED')) return null;
  const literal = words.take();
  // Other spellings (E'…', $$…$$) are not worth reading: such a statement is simply run again.
  if (literal === undefined || !/^'[^\\]*'$/s.test(literal)) return null;
  return { kind: 'drop-object', object: 'prepared transaction', name: literal.slice(1, -1).replaceAll("''", "'") };
}

/** A walk over the tokens of one statement. */
class Words {
  readonly tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
  }

  peek(): string | undefined {
    return this.tokens[this.#at];
  }

  take(): string | undefined {
    return this.tokens[this.#at++];
  }

  /** Steps over `words` when exactly they come next: an index may be called `if` too. */
  skip(...words: readonly string[]): boolean {
    const come = words.every((word, offset) => this.tokens[this.#at + offset] === word);
    if (come) this.#at += words.length;
    return come;
  }

  skipPast(token: string): void {
    const at = this.tokens.indexOf(token, this.#at);
    this.#at = at < 0 ? this.tokens.length : at + 1;
  }

  /** One name, or null where none can be read. */
  name(): string | null {
    const token = this.peek();
    if (token === undefined) return null;
    if (/^[Uu]&"/.test(token)) {
      this.take();
      const marker = this.skip('UESCAPE') ? this.take()?.slice(1, -1) : '\\';
      return marker === undefined ? null : withUnicodeEscapes(inner(token.slice(2)), marker) || null;
    }
    if (token.startsWith('"')) {
      this.take();
      // The server refuses an empty name; quoting one is an error of ours.
      return inner(token) || null;
    }
    if (!isWord(token)) return null;
    this.take();
    return foldName(token);
  }

  qualified(): NameParts | null {
    const parts: string[] = [];
    do {
      const part = this.name();
      if (part === null) return null;
      parts.push(part);
    } while (this.skip('.'));
    return parts;
  }

  /** A table as the grammar lets it be written: `t`, `ONLY t`, `ONLY (t)`, `t *`. */
  table(): NameParts | null {
    const bracketed = this.skip('ONLY') && this.skip('(');
    const name = this.qualified();
    if (bracketed) this.skip(')');
    else this.skip('*');
    return name;
  }
}

function inner(quoted: string): string {
  return quoted.slice(1, -1).replaceAll('""', '"');
}

function isWord(token: string): boolean {
  return /^[A-Za-z_\u0080-\uffff]/.test(token);
}

/** The server folds ASCII letters only (in UTF-8 and every other encoding of several bytes). */
function foldName(word: string): string {
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** `\0041` and `\+000041` of a U&"…" name, with whatever character UESCAPE puts in the place of the backslash. */
function withUnicodeEscapes(text: string, marker: string): string {
  const literal = marker.replace(/[^A-Za-z0-9]/, '\\$&');
  const escapes = new RegExp(`${literal}(?:${literal}|([0-9a-f]{4})|\\+(0[0-9a-f]{5}|10[0-9a-f]{4}))`, 'gi');
  return text.replace(escapes, (_whole, four?: string, six?: string) => {
    // A pair of surrogates comes as two escapes of four digits, and joins by itself.
    if (four !== undefined) return String.fromCharCode(Number.parseInt(four, 16));
    return six === undefined ? marker : String.fromCodePoint(Number.parseInt(six, 16));
  });
}

/** True for a statement whose effect ends with the session: a resumed run has to repeat it. */
export function setsTheSession(sql: string): boolean {
  if (!/^(?:re)?set\b|^select\b/i.test(sql)) return false;
  const tokens = statementTokens(sql);
  const [first, second = ''] = tokens;
  if (first === 'RESET') return true;
  if (first === 'SET') return !['LOCAL', 'TRANSACTION', 'CONSTRAINTS'].includes(second);
  // The form that pg_dump writes.
  return /^SELECT (PG_CATALOG \. )?SET_CONFIG \( '[^']*' , '[^']*' , \w+ \)$/.test(tokens.join(' '));
}
