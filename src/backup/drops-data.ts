import { changesColumnType, dropsColumn } from '../migrations/alter-table.ts';
import type { MigrationFile, Statement } from '../migrations/migration.ts';
import type { SourceText } from '../migrations/source-text.ts';
import { statementTokens, tokensBetween } from '../migrations/statement-tokens.ts';

/**
 * First words of statements that cannot take rows away. Whatever is not listed counts as a loss: DELETE, UPDATE, MERGE
 * and TRUNCATE do it openly, DO, CALL, EXECUTE and SELECT may do it inside a function.
 */
const harmless = new Set(
  (
    'ABORT ANALYZE BEGIN CHECKPOINT CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DISCARD END GRANT LISTEN LOCK NOTIFY ' +
    'REASSIGN REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SET SHOW START UNLISTEN VACUUM VALUES'
  ).split(' '),
);

/** Kinds of objects that hold data themselves, or have tables of their own. */
const holders = new Set([
  'TABLE',
  'SCHEMA',
  'MATERIALIZED',
  'OWNED',
  'DATABASE',
  'EXTENSION',
  'SEQUENCE',
  'FOREIGN',
  'TABLESPACE',
]);

/** True when running the file may destroy data: the question the backup gate asks of a down file. When unsure, true. */
export function dropsData(file: Pick<MigrationFile, 'text' | 'statements'>): boolean {
  return file.statements.some((statement) => {
    const { start, end, keywords } = statement;
    const [first = ''] = keywords;
    if (harmless.has(first)) return false;
    return first === 'INSERT'
      ? writesOver(file.text, statement)
      : statementDropsData(statementTokens(file.text.slice(start, end)));
  });
}

/** ON CONFLICT … DO UPDATE writes over rows that are there. Token by token: an INSERT may hold a hundred megabytes of rows. */
function writesOver(text: SourceText, { start, end }: Statement): boolean {
  let afterConflict = false;
  for (const token of tokensBetween(text, start, end)) {
    if (token === 'CONFLICT') afterConflict = true;
    else if (afterConflict && token === 'UPDATE') return true;
  }
  return false;
}

function statementDropsData(tokens: readonly string[]): boolean {
  const [first = '', second = ''] = tokens;
  switch (first) {
    case 'DROP':
      return holders.has(second) || tokens.includes('CASCADE');
    case 'ALTER':
      return alterDropsData(second, tokens);
    case 'SELECT':
      return !onlySetsConfiguration(tokens);
    default:
      return true;
  }
}

/** Dumps begin with `SELECT pg_catalog.set_config(…)`, which is a SET. */
function onlySetsConfiguration(tokens: readonly string[]): boolean {
  const called = tokens.filter((_token, index) => tokens[index + 1] === '(');
  return called.every((name) => name === 'SET_CONFIG') && !tokens.includes('FROM') && !tokens.includes('INTO');
}

function alterDropsData(kind: string, tokens: readonly string[]): boolean {
  switch (kind) {
    case 'TYPE':
      return tokens.includes('DROP') && tokens.includes('ATTRIBUTE');
    case 'SEQUENCE':
      return tokens.includes('RESTART');
    case 'TABLE':
    case 'FOREIGN':
      // Another type may hold less than the one before.
      return tokens.some((_token, index) => changesColumnType(tokens, index) || dropsColumn(tokens, index));
    default:
      return false;
  }
}
