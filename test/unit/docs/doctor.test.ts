import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checklist } from '../../../src/doctor/checklist.ts';

test('docs/doctor.md has every check with its question, in the order of the list, and says which of them up asks', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');

  const rows = [...page.matchAll(/^\| `([\w-]+)`( \*\*up\*\*)? \| (.*?) \|/gm)];

  expect(rows.map(([, id, up, question]) => [id, up !== undefined, question])).toEqual(
    checklist.map(({ id, beforeUp, question }) => [id, beforeUp, question]),
  );
});
