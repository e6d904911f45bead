import type { Migration, Statement } from '../migrations/migration.ts';
import type { SourceText } from '../migrations/source-text.ts';
import { tokensBetween } from '../migrations/statement-tokens.ts';
import { after, namesIn } from './table-names.ts';

/** Modes of table locks that a migration takes and clients notice, the strongest last (manual, "Explicit Locking"). */
export const lockModes = ['SHARE UPDATE EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE'] as const;
export type LockMode = (typeof lockModes)[number];

/** What a role needs on a table for a statement. */
export type Need = 'owner' | 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE' | 'REFERENCES' | 'TRIGGER';

/** A table that a statement names. */
export interface TouchedTable {
  /** Parts of its name as the catalog spells them. */
  readonly name: readonly string[];
  /** Null: no more than reads and writes of clients take. */
  readonly lock: LockMode | null;
  readonly need: Need;
  /** What it does to all rows under its lock; null: nothing. */
  readonly work: 'scans' | 'indexes' | null;
}

/**
 * Tables that the statements of pending files name. What a DO block or a function does cannot be seen. Locks and rights
 * by the manual's pages of each statement, ALTER TABLE by its strongest form unless it is known to take less.
 */
export function touchedTables(pending: readonly Pick<Migration, 'up'>[]): TouchedTable[] {
  return pending.flatMap(({ up }) => up.statements.flatMap((statement) => touchedBy(up.text, statement)));
}

/** Whether a file says itself as whom, or where, its names are looked up: what this role finds says nothing then. */
export function changesWhoOrWhere(pending: readonly Pick<Migration, 'up'>[]): boolean {
  return pending.some(({ up }) =>
    up.statements.some(({ keywords }) =>
      /^SET (LOCAL |SESSION )?(ROLE|SEARCH_PATH|SESSION|AUTHORIZATION)\b/.test(`${keywords.join(' ')} `),
    ),
  );
}

function touchedBy(text: SourceText, { start, end, keywords }: Statement): TouchedTable[] {
  const words = `${keywords.join(' ')} `;
  const kind =
    /^(ALTER TABLE|DROP (TABLE|TRIGGER|POLICY)|TRUNCATE|CREATE|REINDEX TABLE|CLUSTER|VACUUM|REFRESH MATERIALIZED|INSERT|UPDATE|DELETE|COPY|LOCK)\b/.exec(
      words,
    )?.[1];
  if (kind === undefined) return [];
  const tokens = beforeRows(tokensBetween(text, start, end));
  switch (kind) {
    case 'ALTER TABLE':
      return altered(tokens);
    case 'DROP TABLE':
      return listed(tokens.slice(2), 'ACCESS EXCLUSIVE', 'owner');
    case 'DROP TRIGGER':
    case 'DROP POLICY':
      return one(after(tokens, 'ON'), 'ACCESS EXCLUSIVE', 'owner');
    case 'TRUNCATE':
      return listed(tokens.slice(1), 'ACCESS EXCLUSIVE', 'TRUNCATE');
    case 'CREATE':
      return created(tokens, words);
    case 'REINDEX TABLE':
      return one(
        tokens.slice(2),
        tokens.includes('CONCURRENTLY') ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE',
        'owner',
        'indexes',
      );
    case 'VACUUM':
      return tokens.includes('FULL')
        ? one(tokens.slice(tokens.indexOf('FULL') + 1), 'ACCESS EXCLUSIVE', 'owner', 'scans')
        : [];
    case 'CLUSTER':
      return one(tokens.slice(1), 'ACCESS EXCLUSIVE', 'owner', 'scans');
    case 'REFRESH MATERIALIZED':
      return one(tokens.slice(3), tokens.includes('CONCURRENTLY') ? null : 'ACCESS EXCLUSIVE', 'owner');
    case 'INSERT':
      return one(after(tokens, 'INTO'), null, 'INSERT');
    case 'UPDATE':
      return one(tokens.slice(1), null, 'UPDATE');
    case 'DELETE':
      return one(after(tokens, 'FROM'), null, 'DELETE');
    case 'COPY':
      return tokens.includes('FROM') && tokens[1] !== '(' ? one(tokens.slice(1), null, 'INSERT') : [];
    default:
      return [];
  }
}

/** Without the rows of an INSERT, which may be megabytes. */
function beforeRows(tokens: Iterable<string>): readonly string[] {
  const before: string[] = [];
  for (const token of tokens) {
    if (token === 'VALUES' && before[0] === 'INSERT') break;
    before.push(token);
  }
  return before;
}

function altered(tokens: readonly string[]): TouchedTable[] {
  const has = (...words: string[]) => tokens.some((_, at) => words.every((word, next) => tokens[at + next] === word));
  const isValidation = has('VALIDATE', 'CONSTRAINT');
  const isNotValid = has('NOT', 'VALID');
  const isKey = has('FOREIGN', 'KEY') || has('REFERENCES');
  const scans = isValidation || has('SET', 'NOT', 'NULL') || (!isNotValid && (has('CHECK') || isKey));
  const lock =
    isValidation || has('ATTACH', 'PARTITION')
      ? 'SHARE UPDATE EXCLUSIVE'
      : isKey
        ? 'SHARE ROW EXCLUSIVE'
        : 'ACCESS EXCLUSIVE';
  // A new column with a key of its own takes what a new column takes.
  const strongest = has('ADD', 'COLUMN') ? 'ACCESS EXCLUSIVE' : lock;
  return [...one(tokens.slice(2), strongest, 'owner', scans ? 'scans' : null), ...referenced(tokens)];
}

function created(tokens: readonly string[], words: string): TouchedTable[] {
  if (/^CREATE (UNIQUE )?INDEX\b/.test(words)) {
    const isConcurrent = tokens.includes('CONCURRENTLY');
    return one(after(tokens, 'ON'), isConcurrent ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE', 'owner', 'indexes');
  }
  if (/^CREATE (OR REPLACE )?(CONSTRAINT )?TRIGGER\b/.test(words))
    return one(after(tokens, 'ON'), 'SHARE ROW EXCLUSIVE', 'TRIGGER');
  if (/^CREATE POLICY\b/.test(words)) return one(after(tokens, 'ON'), 'ACCESS EXCLUSIVE', 'owner');
  if (!/^CREATE (UNLOGGED )?TABLE\b/.test(words)) return [];
  const parent = tokens.findIndex((token, at) => token === 'PARTITION' && tokens[at + 1] === 'OF');
  return [...(parent < 0 ? [] : one(tokens.slice(parent + 2), 'ACCESS EXCLUSIVE', 'owner')), ...referenced(tokens)];
}

/** The tables that foreign keys refer to get triggers. */
function referenced(tokens: readonly string[]): TouchedTable[] {
  return tokens.flatMap((token, at) =>
    token === 'REFERENCES' ? one(tokens.slice(at + 1, at + 4), 'SHARE ROW EXCLUSIVE', 'REFERENCES') : [],
  );
}

const noNames = new Set(['CONCURRENTLY', 'CASCADE', 'RESTRICT', 'FULL', 'VERBOSE', 'ANALYZE', 'INTO', 'TABLE']);

/** The table whose name stands first. */
function one(
  tokens: readonly string[],
  lock: LockMode | null,
  need: Need,
  work: TouchedTable['work'] = null,
): TouchedTable[] {
  const [name] = namesIn(tokens.filter((token) => !noNames.has(token)).slice(0, 6));
  return name === undefined ? [] : [{ name, lock, need, work }];
}

/** The tables of a list up to its end. */
function listed(tokens: readonly string[], lock: LockMode, need: Need): TouchedTable[] {
  const parts: string[][] = [[]];
  for (const token of tokens) {
    if (token === ',') parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.flatMap((part) => one(part, lock, need));
}
