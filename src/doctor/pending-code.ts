import type { MigrationFile } from '../migrations/migration.ts';
import { statementTokens } from '../migrations/statement-tokens.ts';

/** What the server will read of a file, bodies of DO blocks included: without the comments between its tokens. */
export function codeOf({ text, statements }: Pick<MigrationFile, 'text' | 'statements'>): string {
  return statements.map(({ start, end }) => statementTokens(text.slice(start, end)).join(' ')).join(';\n');
}
