import { changesColumnType } from '../../migrations/alter-table.ts';
import type { MigrationFile, Statement } from '../../migrations/migration.ts';
import type { SourceText } from '../../migrations/source-text.ts';
import { tokensBetween } from '../../migrations/statement-tokens.ts';
import { after, namesIn } from '../table-names.ts';

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

function alterRewrites(tokens: readonly string[]): boolean {
  return tokens.some((token, index) => {
    const next = tokens[index + 1];
    switch (token) {
      case 'TYPE':
        return changesColumnType(tokens, index);
      case 'LOGGED':
      case 'UNLOGGED':
      case 'TABLESPACE':
      case 'METHOD':
      case 'SERIAL':
      case 'BIGSERIAL':
      case 'SMALLSERIAL':
      case 'EXCLUDE':
        return true;
      case 'GENERATED':
        // A new column is filled for every row; ALTER COLUMN x ADD GENERATED … AS IDENTITY writes no row.
        return tokens[index - 1] !== 'ADD';
      case 'UNIQUE':
        return next !== 'USING';
      case 'KEY':
        return tokens[index - 1] === 'PRIMARY' && next !== 'USING';
      case 'DEFAULT':
        return tokens.includes('ADD') && isCall(tokens.slice(index + 1, index + 5));
      default:
        return false;
    }
  });
}

/** `f(`, `schema.f(`: a call may be volatile, and then each row gets a value of its own; a plain value is kept once. */
function isCall(tokens: readonly string[]): boolean {
  const open = tokens.indexOf('(');
  return open === 1 || (open === 3 && tokens[1] === '.');
}
