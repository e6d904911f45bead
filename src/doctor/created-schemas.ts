import type { Migration } from '../migrations/migration.ts';
import { tokensBetween } from '../migrations/statement-tokens.ts';
import { relationAt } from './table-names.ts';
import { setsSearchPath } from './touched-tables.ts';

const modifiers = new Set(['OR', 'REPLACE', 'UNLOGGED', 'MATERIALIZED', 'FOREIGN', 'RECURSIVE']);
const kinds = new Set(['TABLE', 'TYPE', 'DOMAIN', 'VIEW', 'SEQUENCE', 'FUNCTION', 'PROCEDURE', 'AGGREGATE']);
/** As far as the name of what is made can stand: CREATE OR REPLACE FUNCTION and a.b.c, IF NOT EXISTS between them. */
const mostTokens = 12;

/** The schemas in which pending statements make something; null is the first of search_path, until a file changes that. */
export function createdSchemas(pending: readonly Pick<Migration, 'up'>[]): ReadonlySet<string | null> {
  const schemas = new Set<string | null>();
  for (const { up } of pending) {
    let isElsewhere = false;
    for (const statement of up.statements) {
      if (setsSearchPath(up.text, statement)) isElsewhere = true;
      if (statement.keywords[0] !== 'CREATE') continue;
      const tokens: string[] = [];
      for (const token of tokensBetween(up.text, statement.start, statement.end)) {
        if (tokens.push(token) === mostTokens) break;
      }
      const kind = tokens.findIndex((token, at) => at > 0 && !modifiers.has(token));
      const found = kinds.has(tokens[kind] ?? '') ? relationAt(tokens, kind + 1) : null;
      if (found !== null && (found.relation.schema !== null || !isElsewhere)) schemas.add(found.relation.schema);
    }
  }
  return schemas;
}
