import type { Statement } from './migration.ts';
import type { SourceText } from './source-text.ts';
import { isOn, parenthesisedOptions, statementTokens } from './statement-tokens.ts';

/**
 * What PostgreSQL refuses inside a transaction block, told from the text alone (PreventInTransactionBlock in the
 * server's sources, versions 15 to 18). What only the catalog can tell stays with the server: REINDEX and CLUSTER of
 * a partitioned table (`-- pulse: no-transaction` serves them as well), and CALL or DO of code that commits, which is
 * told with what to write instead.
 */
type Rule = (tokens: readonly string[]) => string | null;

const objects = new Set(['DATABASE', 'TABLESPACE']);

/** True when `words` stand in `tokens` one after the other. */
function holds(tokens: readonly string[], ...words: readonly string[]): boolean {
  return tokens.some((_, at) => words.every((word, offset) => tokens[at + offset] === word));
}

function create(tokens: readonly string[]): string | null {
  const [, second, third] = tokens;
  if (second !== undefined && objects.has(second)) return `CREATE ${second}`;
  if ((second === 'UNIQUE' ? third : second) === 'INDEX') {
    const next = tokens[second === 'UNIQUE' ? 3 : 2];
    return next === 'CONCURRENTLY' ? 'CREATE INDEX CONCURRENTLY' : null;
  }
  if (second === 'SUBSCRIPTION') {
    const options = parenthesisedOptions(tokens, tokens.lastIndexOf('WITH'));
    const connects = isOn(options, 'CONNECT', true);
    const withOptions = tokens.includes('WITH') ? isOn(options, 'CREATE_SLOT', connects) : true;
    return withOptions ? 'CREATE SUBSCRIPTION with a replication slot' : null;
  }
  return null;
}

function drop(tokens: readonly string[]): string | null {
  const [, second, third] = tokens;
  if (second !== undefined && objects.has(second)) return `DROP ${second}`;
  if (second === 'INDEX' && third === 'CONCURRENTLY') return 'DROP INDEX CONCURRENTLY';
  return second === 'SUBSCRIPTION' ? 'DROP SUBSCRIPTION with a replication slot' : null;
}

function alter(tokens: readonly string[]): string | null {
  const [, second] = tokens;
  if (second === 'SYSTEM') return 'ALTER SYSTEM';
  if (second === 'DATABASE' && holds(tokens.slice(3), 'SET', 'TABLESPACE')) return 'ALTER DATABASE … SET TABLESPACE';
  if (second === 'TABLE' && holds(tokens, 'DETACH', 'PARTITION') && tokens.at(-1) === 'CONCURRENTLY') {
    return 'ALTER TABLE … DETACH PARTITION CONCURRENTLY';
  }
  return second === 'SUBSCRIPTION' ? alterSubscription(tokens.slice(3)) : null;
}

function alterSubscription(action: readonly string[]): string | null {
  const [verb, noun] = action;
  if (verb === 'REFRESH') return 'ALTER SUBSCRIPTION … REFRESH';
  if ((verb === 'SET' || verb === 'ADD' || verb === 'DROP') && noun === 'PUBLICATION') {
    const withAt = action.lastIndexOf('WITH');
    const refreshes = withAt < 0 || isOn(parenthesisedOptions(action, withAt), 'REFRESH', true);
    return refreshes ? `ALTER SUBSCRIPTION … ${verb} PUBLICATION with refresh` : null;
  }
  if (verb === 'SET' && noun === '(') {
    const options = parenthesisedOptions(action, 1);
    // Two settings that are kept at the publisher too, from versions 17 and 18 on.
    for (const name of ['FAILOVER', 'TWO_PHASE']) {
      if (options.has(name)) return `ALTER SUBSCRIPTION … SET (${name.toLowerCase()})`;
    }
  }
  return null;
}

function reindex(tokens: readonly string[]): string | null {
  const hasOptions = tokens[1] === '(';
  const at = hasOptions ? tokens.indexOf(')') + 1 : 1;
  const kind = tokens[at];
  const concurrently =
    tokens[at + 1] === 'CONCURRENTLY' || (hasOptions && isOn(parenthesisedOptions(tokens, 1), 'CONCURRENTLY', false));
  if (concurrently) return 'REINDEX CONCURRENTLY';
  return kind === 'SCHEMA' || kind === 'DATABASE' || kind === 'SYSTEM' ? `REINDEX ${kind}` : null;
}

function cluster(tokens: readonly string[]): string | null {
  const at = tokens[1] === '(' ? tokens.indexOf(')') + 1 : 1;
  const target = tokens[at] === 'VERBOSE' ? tokens[at + 1] : tokens[at];
  return target === undefined ? 'CLUSTER of all tables' : null;
}

const rules: Readonly<Record<string, Rule>> = {
  CREATE: create,
  DROP: drop,
  ALTER: alter,
  REINDEX: reindex,
  CLUSTER: cluster,
  VACUUM: () => 'VACUUM',
  COMMIT: (tokens) => (tokens[1] === 'PREPARED' ? 'COMMIT PREPARED' : null),
  ROLLBACK: (tokens) => (tokens[1] === 'PREPARED' ? 'ROLLBACK PREPARED' : null),
  DISCARD: (tokens) => (tokens[1] === 'ALL' ? 'DISCARD ALL' : null),
};

/**
 * The rule by which the server refuses this statement inside a transaction block (`CREATE INDEX CONCURRENTLY`, …), or
 * null. `sql` is the text of the statement alone.
 */
export function cannotRunInTransaction(sql: string, statement: Pick<Statement, 'keywords'>): string | null {
  const first = statement.keywords[0] ?? '';
  const rule = Object.hasOwn(rules, first) ? rules[first] : undefined;
  return rule ? rule(statementTokens(sql)) : null;
}

/** True for `ALTER SUBSCRIPTION … SET (slot_name = NONE)`, after which DROP SUBSCRIPTION may run in a transaction. */
function givesSlotUp(sql: string, statement: Statement): boolean {
  if (statement.keywords[0] !== 'ALTER' || statement.keywords[1] !== 'SUBSCRIPTION') return false;
  const tokens = statementTokens(sql);
  return parenthesisedOptions(tokens, tokens.indexOf('SET')).get('SLOT_NAME') === 'NONE';
}

/** A statement that cannot share a transaction with the rest of its file, and why. */
export interface TransactionConflict {
  readonly statement: Statement;
  readonly rule: string;
}

/** All statements of a file that cannot run in the file's one transaction. */
export function transactionConflicts(
  text: SourceText,
  statements: readonly Statement[],
): readonly TransactionConflict[] {
  const conflicts: TransactionConflict[] = [];
  let slotGivenUp = false;
  for (const statement of statements) {
    if (!Object.hasOwn(rules, statement.keywords[0] ?? '')) continue;
    const sql = text.slice(statement.start, statement.end);
    slotGivenUp ||= givesSlotUp(sql, statement);
    const rule = cannotRunInTransaction(sql, statement);
    if (rule !== null && !(slotGivenUp && rule.startsWith('DROP SUBSCRIPTION'))) conflicts.push({ statement, rule });
  }
  return [...conflicts, ...enumValueConflicts(text, statements)].sort((a, b) => a.statement.start - b.statement.start);
}

function altersType({ keywords: [first, second] }: Statement): boolean {
  return first === 'ALTER' && second === 'TYPE';
}

/** The value that `ALTER TYPE … ADD VALUE 'v'` adds, as its literal is written, or null for any other statement. */
function addedEnumValue(sql: string, statement: Statement): string | null {
  if (!altersType(statement)) return null;
  const tokens = statementTokens(sql);
  const add = tokens.findIndex((token, at) => token === 'ADD' && tokens[at + 1] === 'VALUE');
  if (add < 0) return null;
  return tokens.slice(add + 2).find((token) => token.endsWith("'")) ?? null;
}

/**
 * An enum value cannot be used before the transaction that added it has committed (55P04; 15 refuses it even for a
 * type made in the same transaction). Use is told by the same literal standing in a later statement.
 */
function enumValueConflicts(text: SourceText, statements: readonly Statement[]): TransactionConflict[] {
  const conflicts: TransactionConflict[] = [];
  const added = new Set<string>();
  for (const statement of statements) {
    // Most files add none, and then no statement need be looked at.
    if (added.size === 0 && !altersType(statement)) continue;
    const sql = text.slice(statement.start, statement.end);
    const value = addedEnumValue(sql, statement);
    if (value !== null) added.add(value);
    else {
      const used = usedLiteral(sql, statement, added);
      if (used !== undefined) conflicts.push({ statement, rule: `use of the enum value ${used} added above` });
    }
  }
  return conflicts;
}

function usedLiteral(sql: string, statement: Statement, literals: ReadonlySet<string>): string | undefined {
  const [first] = statement.keywords;
  if (first === 'COMMENT' || altersType(statement)) return undefined;
  const tokens = statementTokens(sql);
  // A DO block runs at once, and the body of an SQL function is parsed at once; other bodies wait for their first call.
  const bodyCounts =
    first === 'DO' ||
    (first === 'CREATE' && tokens.some((token, at) => token === 'LANGUAGE' && /^'?sql'?$/i.test(tokens[at + 1] ?? '')));
  for (const literal of literals) {
    if (tokens.includes(literal)) return literal;
    if (bodyCounts && tokens.some((token) => token.startsWith('$') && token.includes(literal))) return literal;
  }
  return undefined;
}
