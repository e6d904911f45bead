import { statementTokens } from '../../migrations/statement-tokens.ts';

/** A table as a statement names it; without a schema it is whatever the search_path makes of it. */
export interface NamedTable {
  readonly schema: string | null;
  readonly name: string;
}

/** What an INSERT says of conflicts: columns (null for an expression), a constraint by name, or no target at all. */
export interface ConflictClause {
  readonly table: NamedTable;
  readonly target:
    | { readonly kind: 'columns'; readonly columns: ReadonlyArray<string | null> }
    | { readonly kind: 'constraint'; readonly name: string }
    | { readonly kind: 'any' };
}

/** The ON CONFLICT clauses of a statement, also of an INSERT within a WITH. */
export function conflictClauses(query: string): readonly ConflictClause[] {
  const tokens = statementTokens(query);
  const clauses: ConflictClause[] = [];
  const inserted: (NamedTable | null)[] = [null];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === '(') inserted.push(null);
    else if (token === ')') {
      inserted.pop();
      if (inserted.length === 0) inserted.push(null);
    } else if (token === 'INSERT' && tokens[at + 1] === 'INTO') {
      inserted[inserted.length - 1] = tableAt(tokens, at + 2);
    } else if (token === 'ON' && tokens[at + 1] === 'CONFLICT') {
      const table = inserted.at(-1) ?? null;
      if (table !== null) clauses.push({ table, target: targetAt(tokens, at + 2) });
    }
  }
  return clauses;
}

function targetAt(tokens: readonly string[], at: number): ConflictClause['target'] {
  if (tokens[at] === 'ON' && tokens[at + 1] === 'CONSTRAINT') {
    const name = nameOf(tokens[at + 2]);
    return name === null ? { kind: 'any' } : { kind: 'constraint', name };
  }
  if (tokens[at] !== '(') return { kind: 'any' };
  const elements: string[][] = [[]];
  let depth = 0;
  for (const token of tokens.slice(at)) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (depth === 0) break;
    if (token === ',' && depth === 1) elements.push([]);
    else if (depth > 1 || token !== '(') elements.at(-1)?.push(token);
  }
  return { kind: 'columns', columns: elements.map(columnOf) };
}

/** `sha`, `sha COLLATE "C"`, `sha text_ops`; null for an expression. */
function columnOf(element: readonly string[]): string | null {
  const [first, ...rest] = element;
  return rest.every((token) => token === '.' || nameOf(token) !== null) ? nameOf(first) : null;
}

/** Words behind which a parenthesis only groups; behind any other it is the arguments of something. */
const grouping = new Set(['WHERE', 'ON', 'AND', 'OR', 'NOT', 'HAVING', 'USING', '(']);
const conditions = new Set(['WHERE', 'ON', 'HAVING', 'USING']);
/** What ends a condition. */
const ends = new Set([
  ...['SELECT', 'FROM', 'GROUP', 'ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'FOR', 'WINDOW', 'RETURNING', 'SET', 'VALUES'],
  ...['UNION', 'INTERSECT', 'EXCEPT', 'JOIN', 'LEFT', 'RIGHT', 'FULL', 'INNER', 'CROSS', 'NATURAL', 'DO', 'WHEN'],
]);

/**
 * Whether a statement looks for rows of a table, and no condition of it names the column: then no partition can be left
 * out. Goes by names alone. A column within the arguments of a function is no condition on it.
 */
export function readsWithout(query: string, table: { readonly schema: string; readonly name: string }, column: string) {
  const tokens = statementTokens(query);
  if (!['SELECT', 'WITH', 'UPDATE', 'DELETE', 'MERGE', 'INSERT', '('].includes(tokens[0] ?? '')) return false;
  return reads(tokens, table) && !isCondition(tokens, column);
}

/** Words in front of a table that rows are looked for in. */
const sources = new Set(['FROM', 'JOIN', 'UPDATE', 'USING', 'ONLY', ',', '(']);

function reads(tokens: readonly string[], table: { readonly schema: string; readonly name: string }): boolean {
  return tokens.some((token, at) => {
    if (!sources.has(token)) return false;
    const named = tableAt(tokens, at + 1);
    return named !== null && isTable(named, table);
  });
}

/** Whether a name in a statement may mean the table. */
export function isTable(named: NamedTable, table: { readonly schema: string; readonly name: string }): boolean {
  return named.name === table.name && (named.schema === null || named.schema === table.schema);
}

function isCondition(tokens: readonly string[], column: string): boolean {
  const within = [false];
  for (const [at, token] of tokens.entries()) {
    if (token === '(') within.push(within.at(-1) === true && grouping.has(tokens[at - 1] ?? ''));
    else if (token === ')') {
      if (within.length > 1) within.pop();
    } else if (conditions.has(token)) within[within.length - 1] = tokens[at + 1] !== 'CONFLICT';
    else if (ends.has(token)) within[within.length - 1] = false;
    else if (within.at(-1) === true && nameOf(token) === column) return true;
  }
  return false;
}

function tableAt(tokens: readonly string[], at: number): NamedTable | null {
  const from = tokens[at] === 'ONLY' ? at + 1 : at;
  const first = nameOf(tokens[from]);
  if (first === null) return null;
  if (tokens[from + 1] !== '.') return { schema: null, name: first };
  const second = nameOf(tokens[from + 2]);
  return second === null ? null : { schema: first, name: second };
}

/** What a token means as a name; null for one that is none. Words come in upper case, and fold to lower case. */
function nameOf(token: string | undefined): string | null {
  if (token === undefined) return null;
  if (token.startsWith('"')) return token.slice(1, -1).replaceAll('""', '"');
  return /^[A-Z_\u0080-\uffff]/.test(token) ? token.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : null;
}
