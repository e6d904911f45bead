import type { Migration } from '../../migrations/migration.ts';
import { tokensBetween } from '../../migrations/statement-tokens.ts';
import { type Check, type Finding, fine } from '../check.ts';
import { extensionFinding } from './pgcrypto.ts';

export const extensions: Check = {
  id: 'extensions',
  question: 'Are the other extensions installed that the pending files create, or can they be?',
  why: 'CREATE EXTENSION fails where its package is missing on the server, or where the role may not.',
  beforeUp: true,
  async run({ session, pending }) {
    const names = createdExtensions(pending).filter((name) => name !== 'pgcrypto');
    if (names.length === 0) return fine('no pending file creates one');
    const findings = await Promise.all(names.map((name) => extensionFinding(session, name, true)));
    return findings.find(({ outcome }) => outcome !== 'ok') ?? together(findings);
  },
};

function together(findings: readonly Finding[]): Finding {
  return fine(findings.map(({ message }) => message).join('; '));
}

/** Names in CREATE EXTENSION statements, as the catalog spells them; what a DO block creates cannot be seen. */
export function createdExtensions(pending: readonly Pick<Migration, 'up'>[]): readonly string[] {
  const names = pending.flatMap(({ up }) =>
    up.statements.flatMap(({ start, end, keywords }) => {
      if (keywords[0] !== 'CREATE' || keywords[1] !== 'EXTENSION') return [];
      const tokens = [...tokensBetween(up.text, start, end)];
      const name = tokens.slice(2).find((token) => !['IF', 'NOT', 'EXISTS'].includes(token));
      return name === undefined
        ? []
        : [name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase()];
    }),
  );
  return [...new Set(names)];
}
