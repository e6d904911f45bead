import type { MigrationFile } from '../migrations/migration.ts';
import { tokensBetween } from '../migrations/statement-tokens.ts';

/** They hold rows, which may be many and name nothing that the server has to have. */
const rowStatements = new Set(['INSERT', 'COPY']);

/** Whether the server will read such a word in the code of a file, bodies of DO blocks included: comments and rows do not count. */
export function codeMentions({ text, statements }: Pick<MigrationFile, 'text' | 'statements'>, word: RegExp): boolean {
  return statements.some(({ start, end, keywords: [first = ''] }) => {
    if (rowStatements.has(first)) return false;
    for (const token of tokensBetween(text, start, end)) if (word.test(token)) return true;
    return false;
  });
}
