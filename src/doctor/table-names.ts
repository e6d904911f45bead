/** Words that stand before the table's name. */
const skipped = new Set(['ALTER', 'TABLE', 'MATERIALIZED', 'VIEW', 'IF', 'EXISTS', 'ONLY', 'UPDATE']);

/**
 * Every name in the tokens of a statement, dotted or not, as the catalog spells its parts; `a.b` may be table b of
 * schema a, or column b of table a, so that both stand there.
 */
export function namesIn(tokens: readonly string[]): string[][] {
  return tokens.flatMap((token, at) => {
    const first = nameOf(token);
    if (first === null || skipped.has(token) || tokens[at - 1] === '.') return [];
    const second = tokens[at + 1] === '.' ? nameOf(tokens[at + 2] ?? '') : null;
    return second === null ? [[first]] : [[first, second], [first]];
  });
}

/** A relation as a statement names it, parts as the catalog spells them. */
export interface RelationName {
  /** Null: wherever search_path finds it. */
  readonly schema: string | null;
  readonly name: string;
}

/** Words that may stand between a statement's kind and the name. */
const before = new Set(['CONCURRENTLY', 'IF', 'NOT', 'EXISTS', 'ONLY', 'INTO', 'VERBOSE']);

export interface NameAt {
  readonly relation: RelationName;
  /** Index of the token behind it. */
  readonly end: number;
  /** Partitions and children are left alone. */
  readonly isOnly: boolean;
}

/** The name at `at` or behind such words; null where none stands there. Of a.b.c, the first part is the database. */
export function relationAt(tokens: readonly string[], at: number): NameAt | null {
  const parts: string[] = [];
  let end = at;
  while (before.has(tokens[end] ?? '')) end += 1;
  const isOnly = tokens[end - 1] === 'ONLY';
  for (;;) {
    const part = nameOf(tokens[end] ?? '');
    if (part === null) return null;
    parts.push(part);
    end += 1;
    if (tokens[end] !== '.') break;
    end += 1;
  }
  const [name = '', schema = null] = parts.toReversed();
  return { relation: { schema, name }, end, isOnly };
}

/** Whether both may be the same relation: without a schema it may lie in any. */
export function mayBeSame(one: RelationName, other: RelationName): boolean {
  return one.name === other.name && (one.schema === null || other.schema === null || one.schema === other.schema);
}

/** All that stands behind the first such word; nothing where there is none. */
export function after(tokens: readonly string[], keyword: string): readonly string[] {
  const at = tokens.indexOf(keyword);
  return at < 0 ? [] : tokens.slice(at + 1);
}

/** The name as the catalog spells it, or null for a token that is none: only ASCII letters are folded. */
export function nameOf(token: string): string | null {
  if (/^"./.test(token)) return token.slice(1, -1).replaceAll('""', '"');
  if (!/^[A-Z_\u0080-\uffff][^'"]*$/.test(token)) return null;
  return token.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
