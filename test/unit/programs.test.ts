import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { programRunner, startProgram } from '../../src/programs.ts';

const run = programRunner({ PATH: process.env['PATH'], GIVEN: 'base' });

test('a program that is not there ends with 127, as in a shell', async () => {
  expect(await run('no-such-program-anywhere', [])).toMatchObject({ exitCode: 127, stdout: '' });
});

test('one that is nowhere ends with 127 though a directory of PATH may not be looked into, one that may not be run with 126', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pulse-migrate-path-'));
  try {
    await mkdir(join(directory, 'closed'), { mode: 0o000 });
    await writeFile(join(directory, 'no-program'), '', { mode: 0o644 });
    const search = programRunner({ PATH: `${join(directory, 'closed')}:${directory}` });

    expect(await search('no-such-program-anywhere', [])).toMatchObject({ exitCode: 127 });
    expect(await search('no-program', [])).toMatchObject({ exitCode: 126 });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('output, exit code and the environment handed in come together', async () => {
  expect(await run('echo "$GIVEN $MORE"; echo oops >&2; exit 3', [], { shell: true, env: { MORE: 'more' } })).toEqual({
    exitCode: 3,
    stdout: 'base more\n',
    stderr: 'oops\n',
  });
});

test('a command that outlasts its time is ended with the programs it started itself', async () => {
  const { exitCode, stderr } = await run('sleep 600 & sleep 600', [], { shell: true, timeoutMs: 50 });
  expect(exitCode).toBe(124);
  expect(stderr).toContain('50 ms');
});

test('an abort ends a running program and says by which signal', async () => {
  const abort = new AbortController();
  const { ended } = startProgram('sleep', ['600'], {
    env: { PATH: process.env['PATH'] },
    stdio: 'ignore',
    signal: abort.signal,
  });
  abort.abort();
  expect(await ended).toMatchObject({ exitCode: null, signal: 'SIGTERM' });
});

test('a signal ends a command together with the programs it started itself', async () => {
  const abort = new AbortController();
  const ended = programRunner({ PATH: process.env['PATH'] }, abort.signal)('sleep 600 & sleep 600', [], {
    shell: true,
  });
  abort.abort();
  expect(await ended).toMatchObject({ exitCode: 128, stderr: 'SIGKILL' });
});
