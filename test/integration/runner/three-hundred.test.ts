import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { openProject } from '../../support/project.ts';
import { catalogOf } from '../../support/untouched.ts';

test('300 migrations as golang-migrate projects have them go up and all the way down, and leave nothing', {
  timeout: 120_000,
}, async ({ database }) => {
  const project = await openProject({}, database);
  await makeFolder(project.migrations, 300);
  const before = await catalogOf(database);

  const up = (await project.done(['up', '--json', '--yes'])).json<{ applied: { version: string }[]; pending: [] }>();
  const applied = await catalogOf(database);
  const status = (await project.done(['status', '--exit-code', '--json'])).json();
  const down = (await project.done(['down', '--i-know', '--to', '0', '--yes', '--json'])).json<{
    reverted: { version: string }[];
  }>();

  const versions = Array.from({ length: 300 }, (_, index) => String(index + 1).padStart(6, '0'));
  expect(up.result.applied.map(({ version }) => version)).toEqual(versions);
  expect(up.result.pending).toEqual([]);
  expect(applied.size).toBeGreaterThan(before.size + 300);
  expect(status.result).toMatchObject({ applied: 300, pending: 0, disagreements: 0 });
  expect(down.result.reverted.map(({ version }) => version)).toEqual(versions.toReversed());
  expect(await catalogOf(database)).toEqual(before);
});

test('the Pulse schema goes up, down and up again with the same catalog at each stage', async ({ database }) => {
  const project = await openProject(null, database);
  await cp(join(import.meta.dirname, '../../../migrations'), project.migrations, { recursive: true });
  const empty = await catalogOf(database);

  await project.done(['up']);
  const first = await catalogOf(database);
  await project.done(['down', '--i-know', '--yes']);
  const undone = await catalogOf(database);
  await project.done(['up']);
  const second = await catalogOf(database);

  expect([...first.keys()].filter((key) => /^table \S+$/.test(key))).toHaveLength(18);
  expect(undone).toEqual(empty);
  expect(second).toEqual(first);
});
