import { expect, test } from 'vitest';
import { buildProgram } from '../../../src/cli/program.ts';
import type { Runtime } from '../../../src/cli/runtime.ts';

/** The names of the commands that are defined for a command line. */
function defined(...argv: string[]): string[] {
  return buildProgram({ argv } as unknown as Runtime, () => {}).commands.map((command) => command.name());
}

const all = defined();

test.each(all.filter((name) => name !== 'completion'))('%s alone is defined where its name comes first', (name) => {
  expect(defined(name, '--help')).toEqual([name]);
});

test.each([
  ['--help'],
  ['help', 'up'],
  ['upp'],
  ['constructor'],
  ['--json', 'up'],
  ['--', 'up'],
  ['completion', 'bash'],
])('all are defined for %s %s', (...argv) => {
  expect(all.length).toBeGreaterThan(10);
  expect(defined(...argv)).toEqual(all);
});
