import type { MigrationFile, Statement } from '../../migrations/migration.ts';
import type { SourceText } from '../../migrations/source-text.ts';
import { tokensBetween } from '../../migrations/statement-tokens.ts';
import { alterActions } from '../alter-actions.ts';
import { after, namesIn, relationAt } from '../table-names.ts';

/** A statement that writes existing data anew, and every name in it that could be a table's: parts, already folded. */
export interface Rewrite {
  readonly names: ReadonlyArray<readonly string[]>;
  /** An UPDATE writes each row as a new version and logs it whole. */
  readonly updates: boolean;
}

/**
 * The statements of a file that write existing tables anew. What a DO block or a function does cannot be seen, and an
 * UPDATE with a WHERE may touch one row or all: neither is listed.
 * Rules by PostgreSQL's manual, ALTER TABLE, "Notes", and by measurement.
 */
export function rewritesOf(file: Pick<MigrationFile, 'text' | 'statements'>): Rewrite[] {
  return file.statements.flatMap((statement) => {
    const names = rewrittenNames(file.text, statement);
    return names.length === 0 ? [] : [{ names, updates: statement.keywords[0] === 'UPDATE' }];
  });
}

const interesting =
  /^(ALTER (TABLE|MATERIALIZED)|UPDATE|REINDEX|CLUSTER|VACUUM|REFRESH|INSERT|CREATE (UNIQUE )?INDEX|CREATE (UNLOGGED )?TABLE|CREATE MATERIALIZED)\b/;

function rewrittenNames(text: SourceText, { start, end, keywords }: Statement): string[][] {
  const kind = interesting.exec(keywords.join(' '))?.[1];
  // Most statements are of no interest, and the data of a large INSERT need not be looked at twice.
  if (kind === undefined) return [];
  const tokens = beforeValues(tokensBetween(text, start, end));
  switch (kind.replace(/UNIQUE |UNLOGGED /, '')) {
    case 'ALTER TABLE':
    case 'ALTER MATERIALIZED':
      return alterRewrites(tokens) ? namesIn(tokens).slice(0, 1) : [];
    case 'UPDATE':
      return tokens.includes('WHERE') ? [] : namesIn(tokens).slice(0, 1);
    case 'VACUUM':
      return tokens.includes('FULL') ? namesIn(tokens) : [];
    case 'CREATE INDEX':
      return namesIn(after(tokens, 'ON')).slice(0, 1);
    case 'INSERT':
    case 'CREATE TABLE':
    case 'CREATE MATERIALIZED':
      // With VALUES or a list of columns it is as large as its text; with a query, as the tables that this reads.
      return namesIn(after(tokens, 'SELECT'));
    default:
      return namesIn(tokens);
  }
}

/** All that stands before the rows of an INSERT, which may be megabytes. */
function beforeValues(tokens: Iterable<string>): readonly string[] {
  const before: string[] = [];
  let depth = 0;
  for (const token of tokens) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === 'VALUES' && depth === 0 && before[0] === 'INSERT') break;
    before.push(token);
  }
  return before;
}

/** Indexes are written too; a default that is a call may be volatile, and then each row gets a value of its own. */
function alterRewrites(tokens: readonly string[]): boolean {
  const end = relationAt(tokens, tokens[1] === 'MATERIALIZED' ? 3 : 2)?.end ?? tokens.length;
  return alterActions(tokens, end).some(({ works }) => works.some(({ kind }) => kind !== 'scans'));
}
