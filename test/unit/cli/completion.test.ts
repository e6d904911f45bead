import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { cli } from '../../support/cli.ts';

const hasBash = spawnSync('bash', ['--version']).status === 0;

async function scriptFor(shell: string): Promise<string> {
  const { exitCode, stdout } = await cli(['completion', shell], { cwd: '/' });
  expect(exitCode).toBe(0);
  return stdout;
}

/** The words bash would offer behind these. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const script = `${await scriptFor('bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_pulse_migrate; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script]);
  return stdout.split('\n').filter((word) => word !== '');
}

test.runIf(hasBash)('bash accepts its script', async () => {
  await promisify(execFile)('bash', ['-n', '-c', await scriptFor('bash')]);
});

const completions: readonly (readonly [typed: readonly string[], offers: readonly string[]])[] = [
  [['pulse-migrate', 'em'], ['embedded']],
  [
    ['pulse-migrate', 're'],
    ['redo', 'repair', 'report', 'retention'],
  ],
  [
    ['pulse-migrate', 'embedded', 'st'],
    ['start', 'stop'],
  ],
  [['pulse-migrate', 'up', '--allow'], ['--allow-out-of-order']],
  [['pulse-migrate', '--json', 'up', '--allow'], ['--allow-out-of-order']],
  [['pulse-migrate', 'embedded', 'start', '--verb'], ['--verbose']],
  [['pulse-migrate', 'history', '--allow'], []],
];

test.runIf(hasBash).for(completions)('bash offers behind %j', async ([typed, offers]) => {
  expect((await offered(...typed)).toSorted()).toEqual(offers);
});

test('every shell gets every command', async () => {
  const { stdout: help } = await cli(['--help'], { cwd: '/' });
  const commands = [...help.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: <\w+>)? {2,}/gm)].map(([, name]) => name ?? '');

  expect(commands).toContain('goto');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = await scriptFor(shell);
    for (const command of commands.filter((name) => name !== 'help')) expect(script).toContain(command);
  }
});
