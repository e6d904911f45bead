import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readBack } from '../../../src/backup/read-back.ts';
import { programRunner } from '../../../src/programs.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { chosenVersion } from '../../support/server-launch.ts';
import { backupWorld, dumpMajor, temporaryDirectory } from './backup-tools.ts';

const testWithTools = test.runIf((await dumpMajor()) >= Number(chosenVersion()));
const env = { PATH: process.env['PATH'], LC_ALL: 'C' };

/** A dump of rows that compress badly, so that most of the file is data. */
async function makeDump(database: TestDatabase): Promise<Buffer> {
  await database.admin("SELECT lo_from_bytea(0, repeat('x', 100000)::bytea)");
  await database.admin('CREATE TABLE t AS SELECT g AS id, md5(g::text) AS word FROM generate_series(1, 20000) AS g');
  const path = join(temporaryDirectory(), 'good.dump');
  const { exitCode, stderr } = await programRunner(env)('pg_dump', [
    '--format=custom',
    `--file=${path}`,
    `--dbname=${database.url}`,
  ]);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  return readFileSync(path);
}

function read(bytes: Buffer) {
  const path = join(temporaryDirectory(), 'x.dump');
  writeFileSync(path, bytes);
  const { dependencies } = backupWorld();
  return readBack(dependencies, { path, program: 'pg_restore', env });
}

testWithTools('a sound dump is read to its last byte, and hashed', async ({ database }) => {
  const dump = await makeDump(database);
  expect(await read(dump)).toEqual({ bytes: dump.length, sha256: createHash('sha256').update(dump).digest('hex') });
});

testWithTools('a dump that was cut short or changed anywhere in its data is refused', async ({ database }) => {
  const dump = await makeDump(database);
  const flipped = Buffer.from(dump);
  const middle = Math.floor(dump.length / 2);
  flipped[middle] = (flipped[middle] ?? 0) ^ 0x10;
  const damaged: ReadonlyArray<readonly [string, Buffer]> = [
    ['half', dump.subarray(0, middle)],
    ['all but the last byte', dump.subarray(0, -1)],
    ['a flipped bit', flipped],
    ['megabytes behind its end', Buffer.concat([dump, Buffer.alloc(16 * 1024 * 1024)])],
    ['nothing', dump.subarray(0, 0)],
    ['no dump at all', Buffer.from('SELECT 1;\n')],
  ];
  for (const [what, bytes] of damaged) {
    await expect(read(bytes), what).rejects.toMatchObject({
      code: 'backup-failed',
      message: expect.stringMatching(/^the dump does not read back: ./),
    });
  }
});
