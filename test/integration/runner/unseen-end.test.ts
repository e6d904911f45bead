import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { installLedger } from '../../../src/ledger/install.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';
import { applyInTransaction } from '../../../src/runner/apply-in-transaction.ts';
import { takeLease } from '../../../src/runner/lease.ts';
import type { Step } from '../../../src/runner/step.ts';
import { test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { runnerDeps } from '../../support/runner-deps.ts';

const schema = 'pulse_migrate';

/** COPY data is sent by itself, and so is what stands in front of it and behind it. */
const seen = {
  whole: "SELECT '@';\n",
  'part by part': "CREATE TABLE c (id int);\nCOPY c FROM stdin;\n\\.\nSELECT '@';\n",
} as const;

/** A step whose file holds more than its reader has seen, as it would be if the splitter were wrong. */
function stepWith(unseen: string, how: keyof typeof seen): Step {
  const parsed = parseRecordedFile('migrations/0001_a.up.sql', seen[how].replace('@', 'x'.repeat(unseen.length)));
  const file = { ...parsed, text: String(parsed.text).replace(/SELECT 'x+';/, unseen.padEnd(unseen.length + 10)) };
  return {
    version: '0001',
    number: 1n,
    name: 'a',
    direction: 'up',
    file,
    upChecksum: file.checksum,
    downChecksum: null,
    upSql: unseen,
    downSql: null,
    details: {},
  };
}

/** The guard makes a COMMIT fail; a ROLLBACK it cannot, so what stands behind one is told as what it may be: there. */
const ends = [
  {
    end: 'COMMIT',
    error: { code: 'migration-failed', message: expect.stringContaining('ends the transaction it runs in') },
    left: [],
  },
  {
    end: 'COMMIT AND CHAIN',
    error: { code: 'migration-failed', message: expect.stringContaining('ends the transaction it runs in') },
    left: [],
  },
  {
    end: 'ROLLBACK',
    error: { code: 'migration-partial', message: expect.stringContaining('ended its transaction itself') },
    left: [{ relname: 'behind' }],
  },
];

test.for(ends.flatMap((end) => [{ ...end, how: 'whole' } as const, { ...end, how: 'part by part' } as const]))(
  'a $end that the splitter does not see is never recorded as applied, and what it leaves is told, where the file is sent $how',
  async ({ end, error, left, how }, { database }) => {
    const session = await openSession(database.url);
    await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
    const deps = runnerDeps(session, database.url);
    const lease = await takeLease(deps, { schema, token: randomUUID(), actor: deps.actor, waitMs: 0 });
    const step = stepWith(`CREATE TABLE before (id int);\n${end};\nCREATE TABLE behind (id int);\n`, how);
    const attempt = { lockTimeoutMs: 1000, waitedMs: 0, onBackend: () => {} };

    const applying = applyInTransaction(deps, { schema, token: lease.token, entry: randomUUID() }, step, attempt, {
      answers: null,
      drop: () => false,
    });

    await expect(applying).rejects.toMatchObject(error);
    expect(await database.admin("SELECT relname FROM pg_class WHERE relname IN ('before', 'behind')")).toEqual(left);
    expect(await database.admin('SELECT version FROM pulse_migrate.ledger')).toEqual([]);
    await lease.release();
  },
);
