import { expect, test } from 'vitest';
import type { Check, CheckContext, Finding } from '../../../src/doctor/check.ts';
import { assertKnownChecks, checklist, runChecklist } from '../../../src/doctor/checklist.ts';
import { serverVersion } from '../../../src/doctor/checks/server-version.ts';
import { PulseError } from '../../../src/errors.ts';
import type { ProgressEvent } from '../../../src/events.ts';
import { StatementError } from '../../../src/postgres/errors.ts';

const context = {} as CheckContext;

function check(id: string, answer: Finding | Error, beforeUp = true): Check {
  const run = async () => {
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { id, question: '?', why: '.', beforeUp, run };
}

const good: Finding = { outcome: 'ok', message: 'good', hint: null };
const bad: Finding = { outcome: 'failure', message: 'bad', hint: 'mend it' };

test('an up runs only the checks it needs, in the order of the list, and tells each as it ends', async () => {
  const events: ProgressEvent[] = [];
  const checks = [check('one', good), check('two', bad, false), check('three', bad)];
  const results = await runChecklist(context, { only: 'up', skip: [], emit: (event) => events.push(event) }, checks);
  expect(results.map(({ id, outcome }) => [id, outcome])).toEqual([
    ['one', 'ok'],
    ['three', 'failure'],
  ]);
  expect(events).toEqual([
    { type: 'check-finished', id: 'one', ...good },
    { type: 'check-finished', id: 'three', ...bad },
  ]);
  expect(await runChecklist(context, { only: 'all', skip: [] }, checks)).toHaveLength(3);
});

test('a finding that was accepted by name is still shown, and a good answer needs no accepting', async () => {
  const checks = [check('one', good), check('two', bad), check('three', bad)];
  const results = await runChecklist(context, { only: 'all', skip: ['one', 'two'] }, checks);
  expect(results.map(({ outcome, accepted }) => [outcome, accepted])).toEqual([
    ['ok', false],
    ['failure', true],
    ['failure', false],
  ]);
});

test.each([
  ['a right the role lacks', new StatementError({ code: '42501', message: 'permission denied for view x' })],
  ['a statement timeout of the role', new StatementError({ code: '57014', message: 'canceling statement' })],
  ['a failure with a name', new PulseError('lock-not-obtained', 'locked')],
])('%s makes the answer unknown with its reason, and the list goes on', async (_what, error) => {
  const results = await runChecklist(context, { only: 'all', skip: [] }, [check('one', error), check('two', good)]);
  expect(results.map(({ outcome }) => outcome)).toEqual(['unknown', 'ok']);
  expect(results[0]?.message).toContain(error.message);
  expect(results[0]?.hint).not.toBe('');
});

test.each([
  ['a bug', new TypeError('x is not a function')],
  ['a statement of ours that is wrong', new StatementError({ code: '42601', message: 'syntax error' })],
  ['a lost connection', new PulseError('connection-lost', 'gone')],
  ['a signal', new PulseError('interrupted', 'SIGINT')],
])('%s ends the list as it is', async (_what, error) => {
  await expect(runChecklist(context, { only: 'all', skip: [] }, [check('one', error)])).rejects.toBe(error);
});

test('a misspelt id is refused with the one that was meant and all there are', () => {
  expect(() => assertKnownChecks(['disk-space', 'disc-space'])).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: expect.stringContaining('"disc-space"'),
      hint: expect.stringMatching(/mean disk-space\?.*pgcrypto/),
    }),
  );
});

test('every check has an id of its own in the style of a flag, a question and a reason', () => {
  expect(new Set(checklist.map(({ id }) => id)).size).toBe(checklist.length);
  for (const { id, question, why } of checklist) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(question).toMatch(/\?$/);
    expect(why).toMatch(/\.$/);
  }
});

test.each([
  [149_999, 'failure'],
  [140_015, 'failure'],
  [150_000, 'ok'],
  [180_004, 'ok'],
] as const)('a server of version number %i is a %s', async (number, outcome) => {
  const session = { serverVersion: number, serverVersionText: 'x' } as CheckContext['session'];
  const finding = await serverVersion.run({ ...context, session });
  expect(finding.outcome).toBe(outcome);
  expect(finding.hint === null).toBe(outcome === 'ok');
});
