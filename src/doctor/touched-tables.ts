import type { Migration, MigrationFile, Statement } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import type { SourceText } from '../migrations/source-text.ts';
import { tokensBetween } from '../migrations/statement-tokens.ts';
import { alterActions, lockOf, referencedTables } from './alter-actions.ts';
import { isLockMode, type LockMode } from './lock-modes.ts';
import { type Risk, risksOf } from './risks.ts';
import { mayBeSame, type NameAt, type RelationName, relationAt } from './table-names.ts';
import { type Work, ways } from './work.ts';

/**
 * What a role needs for a statement: to be the owner (`drop`: or the schema's; `owner-and-create`: and CREATE on its schema;
 * `maintain`: or MAINTAIN from PostgreSQL 17 on), or a right on the table; null: nothing that can be told.
 */
export type Need =
  | 'owner'
  | 'drop'
  | 'owner-and-create'
  | 'maintain'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'TRUNCATE'
  | 'REFERENCES'
  | 'TRIGGER'
  | null;

/** What is locked with a table: its partitions and children, its DEFAULT partition with ACCESS EXCLUSIVE, or nothing. */
export type Reach = 'children' | 'default' | 'only';

/** A table, view or index that a statement names, and that has to be there before the pending files run. */
export interface TouchedTable {
  readonly relation: RelationName;
  readonly lock: LockMode;
  readonly reach: Reach;
  readonly need: Need;
  readonly works: readonly Work[];
}

/** The same, and where it stands. */
export interface PlacedTable extends TouchedTable {
  readonly file: MigrationFile;
  /** First character of the statement. */
  readonly start: number;
  /** What the statement does to the table that cannot be taken back, or that others rely on. */
  readonly risks: readonly Risk[];
  /** False behind a statement that may give the role other rights, or make it another role. */
  readonly isOwnRole: boolean;
}

/** What pending files name, and where a name or a right cannot be judged. */
export interface Touched {
  readonly tables: readonly PlacedTable[];
  /** Names without a schema behind a change of search_path, which are left out. */
  readonly unplaced: number;
}

/**
 * Tables that the statements of pending files name. What a DO block or a function does cannot be seen; what the files
 * make, drop or rename themselves is left out from there on. Locks and rights by the manual's page of each statement.
 */
export function touchedTables(pending: readonly Pick<Migration, 'up'>[]): Touched {
  const tables: PlacedTable[] = [];
  const made = new Map<string, RelationName[]>();
  let unplaced = 0;
  let mayHaveGained = false;
  for (const { up: file } of pending) {
    // Each file begins in a fresh session.
    let isElsewhere = false;
    let isOther = false;
    for (const statement of file.statements) {
      const { start, keywords } = statement;
      if (setsSearchPath(file.text, statement)) isElsewhere = true;
      if (/^SET (LOCAL |SESSION )?(ROLE|AUTHORIZATION|SESSION AUTHORIZATION)\b/.test(`${keywords.join(' ')} `))
        isOther = true;
      const tokens = tokensOf(file.text, statement);
      const risks = risksOf(tokens);
      for (const [at, touched] of touchedBy(tokens).entries()) {
        if (made.get(touched.relation.name)?.some((one) => mayBeSame(one, touched.relation))) continue;
        if (isElsewhere && touched.relation.schema === null) unplaced += 1;
        else {
          const isMeant = at === 0 || touched.need === 'drop' || touched.need === 'TRUNCATE';
          const isOwnRole = !isOther && !mayHaveGained;
          tables.push({ ...touched, file, start, risks: isMeant ? risks : [], isOwnRole });
        }
      }
      for (const one of remadeBy(tokens)) made.set(one.name, [...(made.get(one.name) ?? []), one]);
      if (givesRights(tokens)) mayHaveGained = true;
    }
  }
  return { tables, unplaced };
}

/** `migrations/0007_x.up.sql:3`. */
export function placeOf({ file, start }: PlacedTable): string {
  const { line } = locationAt(file.path, file.text, start);
  return line === undefined ? file.path : `${file.path}:${line}`;
}

const interesting =
  /^(ALTER (TABLE|VIEW|MATERIALIZED|FOREIGN|INDEX|TRIGGER|POLICY|RULE)|DROP|TRUNCATE|CREATE|REINDEX|CLUSTER|VACUUM|ANALYZE|REFRESH|INSERT|UPDATE|DELETE|MERGE|COPY|LOCK|COMMENT|GRANT|REASSIGN)\b/;

/** Its tokens up to the rows of an INSERT, which may be megabytes; none for a statement that names no table to us. */
function tokensOf(text: SourceText, { start, end, keywords }: Statement): readonly string[] {
  if (!interesting.test(keywords.join(' '))) return [];
  const most = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(keywords[0] ?? '') ? 12 : Number.POSITIVE_INFINITY;
  const tokens: string[] = [];
  for (const token of tokensBetween(text, start, end)) {
    if (tokens.length >= most) break;
    tokens.push(token);
  }
  return tokens;
}

/** Whether names without a schema mean something else behind the statement. */
export function setsSearchPath(text: SourceText, { start, end, keywords }: Statement): boolean {
  if (/^SET (LOCAL |SESSION )?SEARCH_PATH\b/.test(`${keywords.join(' ')} `)) return true;
  // As dumps do it; `SELECT pg_catalog.set_config` has one keyword and what stands before the dot.
  if (keywords[0] !== 'SELECT') return false;
  let calls = false;
  for (const token of tokensBetween(text, start, end)) {
    if (token === 'SET_CONFIG') calls = true;
    if (calls && token === "'search_path'") return true;
  }
  return false;
}

/** GRANT of a role, or a change of owners: what the role may do behind it cannot be told from what it may do now. */
function givesRights(tokens: readonly string[]): boolean {
  const [first, second] = tokens;
  return (
    (first === 'GRANT' && !tokens.includes('ON')) ||
    first === 'REASSIGN' ||
    (first === 'ALTER' &&
      second !== undefined &&
      tokens.some((token, at) => token === 'OWNER' && tokens[at + 1] === 'TO'))
  );
}

/** Relations that are others, or under other names, behind this statement. */
function remadeBy(tokens: readonly string[]): RelationName[] {
  const [first, second = ''] = tokens;
  if (first === 'CREATE') {
    const at = tokens.findIndex((token) => token === 'TABLE' || token === 'VIEW');
    // A view over tables goes on being a view; IF NOT EXISTS may make nothing.
    if (at < 0 || at > 4 || tokens[at + 1] === 'IF' || tokens[1] === 'OR') return [];
    return namesFrom(tokens, at + 1).slice(0, 1);
  }
  if (first === 'DROP' && droppable.has(second)) return namesFrom(tokens, nameIndex(second));
  const to = tokens.findIndex((token, at) => token === 'RENAME' && tokens[at + 1] === 'TO');
  if (first !== 'ALTER' || to < 0) return [];
  return [...namesFrom(tokens, nameIndex(second)).slice(0, 1), ...namesFrom(tokens, to + 2).slice(0, 1)];
}

const droppable = new Set(['TABLE', 'VIEW', 'MATERIALIZED', 'INDEX', 'FOREIGN']);

function touchedBy(tokens: readonly string[]): TouchedTable[] {
  const [first = '', second = ''] = tokens;
  switch (first) {
    case 'ALTER':
      return altered(tokens);
    case 'DROP':
      return dropped(tokens);
    case 'CREATE':
      return created(tokens);
    case 'TRUNCATE':
      return listed(tokens, second === 'TABLE' ? 2 : 1, 'ACCESS EXCLUSIVE', 'TRUNCATE');
    case 'LOCK':
      return locked(tokens);
    case 'VACUUM':
    case 'ANALYZE':
      return vacuumed(tokens);
    case 'CLUSTER':
      return one(tokens, behindOptions(tokens, 1), 'ACCESS EXCLUSIVE', 'maintain', [
        work('rewrites', 'CLUSTER', ways.quiet),
      ]);
    case 'REINDEX':
      return reindexed(tokens);
    case 'REFRESH':
      return tokens.includes('CONCURRENTLY')
        ? one(tokens, 4, 'EXCLUSIVE', 'maintain')
        : one(tokens, 3, 'ACCESS EXCLUSIVE', 'maintain', [work('rewrites', 'REFRESH', ways.refresh)]);
    case 'COMMENT':
      return second === 'ON' && commented.has(tokens[2] ?? '') ? commentedOn(tokens) : [];
    case 'INSERT':
      return one(tokens, 2, 'ROW EXCLUSIVE', 'INSERT');
    case 'UPDATE':
      return one(tokens, 1, 'ROW EXCLUSIVE', 'UPDATE');
    case 'DELETE':
      return one(tokens, 2, 'ROW EXCLUSIVE', 'DELETE');
    case 'MERGE':
      return one(tokens, 2, 'ROW EXCLUSIVE', null);
    case 'COPY':
      return tokens.includes('FROM') ? one(tokens, 1, 'ROW EXCLUSIVE', 'INSERT') : [];
    default:
      return [];
  }
}

function altered(tokens: readonly string[]): TouchedTable[] {
  const [, kind = '', next = ''] = tokens;
  if (['TRIGGER', 'POLICY', 'RULE'].includes(kind))
    return one(tokens, indexBehind(tokens, 'ON'), 'ACCESS EXCLUSIVE', 'owner');
  if (kind === 'INDEX') return [];
  // ALL IN TABLESPACE names no table.
  const at = nameIndex(kind);
  if (next === 'ALL' || tokens[at] === 'ALL') return [];
  const found = relationAt(tokens, at);
  if (found === null) return [];
  const actions = alterActions(tokens, tokens[found.end] === '*' ? found.end + 1 : found.end);
  const works = actions.flatMap((action) => action.works);
  // A new name and a new index are made in the schema.
  const isRenamed = tokens[found.end] === 'RENAME' && tokens[found.end + 1] === 'TO';
  const need = isRenamed || works.some(({ kind }) => kind === 'indexes') ? 'owner-and-create' : 'owner';
  return [
    {
      relation: found.relation,
      lock: lockOf(actions),
      reach: reachOf(found, tokens),
      need,
      works,
    },
    ...actions.flatMap(({ others }) => others).filter(({ relation }) => !mayBeSame(relation, found.relation)),
  ];
}

function dropped(tokens: readonly string[]): TouchedTable[] {
  const [, kind = ''] = tokens;
  if (['TRIGGER', 'POLICY', 'RULE'].includes(kind))
    return one(tokens, indexBehind(tokens, 'ON'), 'ACCESS EXCLUSIVE', 'owner');
  if (!droppable.has(kind)) return [];
  return listed(
    tokens,
    nameIndex(kind),
    tokens[2] === 'CONCURRENTLY' ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE',
    'drop',
  );
}

function created(tokens: readonly string[]): TouchedTable[] {
  const words = tokens.slice(1, 5).join(' ');
  if (/^(UNIQUE )?INDEX\b/.test(words)) {
    const isBeside = tokens.includes('CONCURRENTLY');
    return one(tokens, indexBehind(tokens, 'ON'), isBeside ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE', 'owner-and-create', [
      work('indexes', 'CREATE INDEX', ways.index),
    ]);
  }
  if (/^(OR REPLACE )?(CONSTRAINT )?TRIGGER\b/.test(words)) {
    return one(tokens, indexBehind(tokens, 'ON', 'EXECUTE'), 'SHARE ROW EXCLUSIVE', 'TRIGGER');
  }
  if (/^POLICY\b/.test(words)) return one(tokens, indexBehind(tokens, 'ON'), 'ACCESS EXCLUSIVE', 'owner');
  if (/^(OR REPLACE )?RULE\b/.test(words)) return one(tokens, indexBehind(tokens, 'TO'), 'ACCESS EXCLUSIVE', 'owner');
  if (/^STATISTICS\b/.test(words)) return one(tokens, indexBehind(tokens, 'FROM'), 'SHARE UPDATE EXCLUSIVE', 'owner');
  if (!/^(UNLOGGED )?(FOREIGN )?TABLE\b/.test(words)) return [];
  const own = relationAt(tokens, tokens.indexOf('TABLE') + 1);
  const parent = tokens.findIndex((token, at) => token === 'PARTITION' && tokens[at + 1] === 'OF');
  const inherited = tokens.findIndex((token, at) => token === 'INHERITS' && tokens[at + 1] === '(');
  return [
    ...(parent < 0 ? [] : reaching('default', one(tokens, parent + 2, 'ACCESS EXCLUSIVE', 'owner'))),
    ...(inherited < 0 ? [] : reaching('only', listed(tokens, inherited + 2, 'SHARE UPDATE EXCLUSIVE', 'owner'))),
    ...referencedTables(tokens).filter(({ relation }) => own === null || !mayBeSame(relation, own.relation)),
  ];
}

function locked(tokens: readonly string[]): TouchedTable[] {
  const from = tokens.lastIndexOf('IN');
  const mode = from < 0 ? 'ACCESS EXCLUSIVE' : tokens.slice(from + 1, tokens.lastIndexOf('MODE')).join(' ');
  if (!isLockMode(mode)) return [];
  return listed(tokens, tokens[1] === 'TABLE' ? 2 : 1, mode, null);
}

/** Who may not VACUUM or ANALYZE a table is only warned of it. */
function vacuumed(tokens: readonly string[]): TouchedTable[] {
  const at = behindOptions(tokens, 1);
  const isFull = tokens.slice(1, at).includes('FULL');
  const rewrite = isFull ? [work('rewrites', 'VACUUM FULL', ways.quiet)] : [];
  return listed(tokens, at, isFull ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE', null, rewrite);
}

function reindexed(tokens: readonly string[]): TouchedTable[] {
  const at = behindOptions(tokens, 1);
  if (!['TABLE', 'INDEX'].includes(tokens[at] ?? '')) return [];
  const isBeside = tokens[at + 1] === 'CONCURRENTLY' || tokens.slice(1, at).includes('CONCURRENTLY');
  return one(tokens, at + 1, isBeside ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE', 'maintain', [
    work('indexes', 'REINDEX', ways.reindex),
  ]);
}

const commented = new Set(['TABLE', 'VIEW', 'COLUMN', 'TRIGGER', 'CONSTRAINT', 'POLICY']);

function commentedOn(tokens: readonly string[]): TouchedTable[] {
  if (tokens[2] === 'TABLE' || tokens[2] === 'VIEW')
    return reaching('only', one(tokens, 3, 'SHARE UPDATE EXCLUSIVE', 'owner'));
  if (tokens[2] !== 'COLUMN') return [];
  // The last part of the name is the column's.
  const column = relationAt(tokens, 3);
  return column === null
    ? []
    : reaching('only', one(tokens.slice(0, column.end - 2), 3, 'SHARE UPDATE EXCLUSIVE', 'owner'));
}

/** Where the name stands behind ALTER TABLE or DROP MATERIALIZED VIEW, words like IF EXISTS aside. */
function nameIndex(kind: string): number {
  return kind === 'MATERIALIZED' || kind === 'FOREIGN' ? 3 : 2;
}

function work(kind: Work['kind'], by: string, way: string): Work {
  return { kind, by, way, unless: null };
}

/** Behind options in parentheses and the bare words of before there were any. */
function behindOptions(tokens: readonly string[], from: number): number {
  let at = from;
  if (tokens[at] === '(') at = tokens.indexOf(')', at) + 1;
  while (['FULL', 'FREEZE', 'VERBOSE', 'ANALYZE'].includes(tokens[at] ?? '')) at += 1;
  return at;
}

/** Where a word ends that stands before `until`, or past the end. */
function indexBehind(tokens: readonly string[], word: string, until?: string): number {
  const end = until === undefined ? -1 : tokens.indexOf(until);
  const at = tokens.indexOf(word);
  return at < 0 || (end >= 0 && at > end) ? tokens.length : at + 1;
}

function one(
  tokens: readonly string[],
  at: number,
  lock: LockMode,
  need: Need,
  works: readonly Work[] = [],
): TouchedTable[] {
  const found = relationAt(tokens, at);
  return found === null
    ? []
    : [{ relation: found.relation, lock, reach: found.isOnly ? 'only' : 'children', need, works }];
}

function reaching(reach: Reach, touched: readonly TouchedTable[]): TouchedTable[] {
  return touched.map((one) => ({ ...one, reach }));
}

/** Where partitions come and go, that of the rest has other bounds too. */
function reachOf({ end, isOnly }: NameAt, tokens: readonly string[]): Reach {
  if (tokens[end] === 'ATTACH' || tokens[end] === 'DETACH') return 'default';
  return isOnly ? 'only' : 'children';
}

function listed(
  tokens: readonly string[],
  at: number,
  lock: LockMode,
  need: Need,
  works: readonly Work[] = [],
): TouchedTable[] {
  return listFrom(tokens, at).map(({ relation, isOnly }) => ({
    relation,
    lock,
    reach: isOnly ? 'only' : 'children',
    need,
    works,
  }));
}

function namesFrom(tokens: readonly string[], at: number): RelationName[] {
  return listFrom(tokens, at).map(({ relation }) => relation);
}

/** The names of a list: `a, ONLY b *, c (x, y)`. */
function listFrom(tokens: readonly string[], at: number): NameAt[] {
  const names: NameAt[] = [];
  for (let next = at; ; ) {
    const found = relationAt(tokens, next);
    if (found === null) return names;
    names.push(found);
    next = tokens[found.end] === '*' ? found.end + 1 : found.end;
    if (tokens[next] === '(') next = tokens.indexOf(')', next) + 1;
    if (tokens[next] !== ',') return names;
    next += 1;
  }
}
