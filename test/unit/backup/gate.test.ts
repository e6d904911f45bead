import { expect, test } from 'vitest';
import { type Ask, backupGate, decideBackup, type GateQuestion } from '../../../src/backup/gate.ts';
import type { Backup } from '../../../src/backup/take-backup.ts';

const plain: GateQuestion = {
  dataExists: true,
  flags: { backupDirectory: null, backupDone: false, yes: false },
  policy: 'ask',
  configuredDirectory: null,
  interactive: false,
};
const flag = (flags: Partial<GateQuestion['flags']>) => ({ flags: { ...plain.flags, ...flags } });

const decisions: ReadonlyArray<readonly [situation: string, question: Partial<GateQuestion>, decision: object]> = [
  ['an empty database', { dataExists: false }, { action: 'skip' }],
  ['an empty database under "require"', { dataExists: false, policy: 'require' }, { action: 'skip' }],
  ['--backup', flag({ backupDirectory: '/b' }), { action: 'take', directory: '/b' }],
  [
    '--backup on an empty database',
    { dataExists: false, ...flag({ backupDirectory: '/b' }) },
    { action: 'take', directory: '/b' },
  ],
  [
    '--backup beside --backup-done and --yes',
    flag({ backupDirectory: '/b', backupDone: true, yes: true }),
    { action: 'take', directory: '/b' },
  ],
  ['--backup-done', flag({ backupDone: true }), { action: 'declared', by: '--backup-done' }],
  [
    '--backup-done under "require"',
    { policy: 'require', ...flag({ backupDone: true }) },
    { action: 'declared', by: '--backup-done' },
  ],
  ['policy "skip"', { policy: 'skip' }, { action: 'declared', by: 'configuration' }],
  ['--yes', flag({ yes: true }), { action: 'answered', by: '--yes' }],
  ['--yes under "require"', { policy: 'require', ...flag({ yes: true }) }, { action: 'refuse' }],
  [
    '"require" with a configured directory',
    { policy: 'require', configuredDirectory: '/c' },
    { action: 'take', directory: '/c' },
  ],
  ['"ask" in a script with a configured directory', { configuredDirectory: '/c' }, { action: 'refuse' }],
  ['a terminal', { interactive: true }, { action: 'ask' }],
  ['a terminal under "require"', { interactive: true, policy: 'require' }, { action: 'ask' }],
  ['a script that says nothing', {}, { action: 'refuse' }],
];

test.each(decisions)('%s leads to its own decision', (_situation, question, decision) => {
  expect(decideBackup({ ...plain, ...question })).toEqual(decision);
});

const taken: Backup = { path: '/d/pulse.dump', bytes: 7, sha256: 'ab', durationMs: 3, pgDumpVersion: '15.18' };

function dependencies(answer: string) {
  const directories: string[] = [];
  const asked: string[][] = [];
  const ask: Ask = async (_question, choices) => {
    asked.push(choices.map(({ label }) => label));
    const choice = choices.find(({ id }) => id === answer);
    if (choice === undefined) throw new Error(`no such choice: ${answer}`);
    return choice.id;
  };
  const take = async (directory: string) => {
    directories.push(directory);
    return taken;
  };
  return { directories, asked, gate: { ask, take, defaultDirectory: '/default' } };
}

test('a person who chooses a backup gets one in the configured directory, and the record says where it lies', async () => {
  const { gate, directories, asked } = dependencies('take');
  const proof = await backupGate(gate, { ...plain, interactive: true, configuredDirectory: '/c' });
  expect(proof).toEqual({ proof: 'taken', ...taken });
  expect(directories).toEqual(['/c']);
  expect(asked[0]?.[0]).toContain('/c');
});

test('a person who has a backup goes on, and the record says that a person answered', async () => {
  const { gate, directories } = dependencies('have');
  expect(await backupGate(gate, { ...plain, interactive: true })).toEqual({ proof: 'answered', by: 'person' });
  expect(directories).toEqual([]);
});

test('a person who stops ends the command before anything is changed', async () => {
  const { gate, directories } = dependencies('stop');
  await expect(backupGate(gate, { ...plain, interactive: true })).rejects.toMatchObject({
    code: 'confirmation-needed',
    exitCode: 8,
  });
  expect(directories).toEqual([]);
});

test('a script that says nothing is refused with the three flags that would let it pass', async () => {
  const { gate, asked } = dependencies('have');
  await expect(backupGate(gate, plain)).rejects.toMatchObject({
    code: 'confirmation-needed',
    hint: expect.stringMatching(/--backup DIR.*--backup-done.*--yes/),
  });
  expect(asked).toEqual([]);
});
