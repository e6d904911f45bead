import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

interface Refusal {
  readonly argv: readonly string[];
  readonly says: string;
  readonly hint: string;
  readonly code?: string;
  readonly exitCode?: number;
}

const refusals: readonly Refusal[] = [
  {
    argv: ['up', '--stepz', '1'],
    says: "unknown option '--stepz'",
    hint: 'did you mean --steps? All of them: pulse-migrate up --help',
  },
  { argv: ['upp'], says: "unknown command 'upp'", hint: 'did you mean up? All of them: pulse-migrate --help' },
  { argv: ['frobnicate'], says: "unknown command 'frobnicate'", hint: 'pulse-migrate --help' },
  { argv: ['goto'], says: "missing required argument 'version'", hint: 'pulse-migrate goto --help' },
  { argv: ['up', '0001'], says: 'too many arguments', hint: 'pulse-migrate up --help' },
  {
    argv: ['embedded', 'url', '--limit', '1'],
    says: "unknown option '--limit'",
    hint: 'pulse-migrate embedded url --help',
  },
  { argv: ['up', '--steps', '0'], says: '--steps takes a whole number of at least 1, not "0"', hint: '--steps 1' },
  { argv: ['up', '--steps', 'x'], says: '--steps takes a whole number of at least 1, not "x"', hint: '--steps 1' },
  { argv: ['down', '--i-know', '--steps', '1.5'], says: 'not "1.5"', hint: '--steps 1' },
  { argv: ['history', '--limit', '-1'], says: '--limit takes a whole number', hint: '--limit 1' },
  {
    argv: ['completion', 'tcsh'],
    says: 'there is no completion for "tcsh"',
    hint: 'pulse-migrate completion bash|zsh|fish',
  },
  { argv: ['up', '--env', 'prod'], says: 'unknown environment "prod"', hint: 'environments:' },
  { argv: ['up', '--skip-check', 'disk-spase'], says: 'no check named "disk-spase"', hint: 'did you mean disk-space?' },
  { argv: ['up', '--embedded', '--database-url', 'postgresql://h/d'], says: 'exclude each other', hint: 'give one' },
  { argv: ['up', '--backup', 'b', '--backup-done'], says: 'exclude each other', hint: 'give --backup DIR' },
  { argv: ['down', '--i-know', '--backup-done', '--backup=b'], says: 'exclude each other', hint: 'or --backup-done' },
  { argv: ['up', '--to', '99'], code: 'target-unknown', says: 'there is no migration 99', hint: 'go up to 0002' },
  { argv: ['goto', '99'], code: 'target-unknown', says: 'there is no migration 99', hint: 'go up to 0002' },
  { argv: ['diff', 'x'], code: 'target-unknown', says: 'there is no migration x', hint: 'pulse-migrate status' },
  { argv: ['diff', '2'], code: 'not-possible', says: '0002 is not applied', hint: 'pulse-migrate status' },
  { argv: ['repair', '--accept', '1'], code: 'not-possible', says: '0001_a is pending', hint: 'pulse-migrate status' },
  { argv: ['repair', '--forget', '1'], code: 'not-possible', says: '0001_a is pending', hint: 'pulse-migrate status' },
  { argv: ['baseline', '7'], code: 'target-unknown', says: 'there is no migration 7', hint: 'go up to 0002' },
  {
    argv: ['redo'],
    code: 'confirmation-needed',
    exitCode: 8,
    says: 'redo undoes a migration',
    hint: 'pulse-migrate redo --i-know',
  },
  {
    argv: ['up', '--config', 'elsewhere.yaml'],
    code: 'config-invalid',
    says: 'elsewhere.yaml',
    hint: 'check that the file exists',
  },
  {
    argv: ['up', '--lock-wait', 'soon'],
    code: 'config-invalid',
    says: '--lock-wait',
    hint: '5m',
  },
];

const titled = refusals.map((refusal) => [refusal.argv.join(' '), refusal] as const);

test.for(titled)(
  '"pulse-migrate %s" is refused and leaves the database as it was',
  async ([, refusal], { database }) => {
    const { argv, says, hint, code = 'usage', exitCode = 2 } = refusal;
    const project = await openProject(pairs({ '0001_a': table('a'), '0002_b': table('b') }), database);
    const before = await stateOf(database);

    const shown = await project.cli(argv);
    const document = await project.cli([...argv, '--json']);

    expect(shown.exitCode).toBe(exitCode);
    expect(shown.stdout).toBe('');
    expect(shown.stderr).toContain(`${code}  `);
    expect(shown.stderr).toContain(says);
    expect(
      shown.stderr
        .split('\n')
        .filter((line) => line.includes('›'))
        .join('\n'),
    ).toContain(hint);
    expect(document.stderr).toBe('');
    expect(document.json()).toMatchObject({ formatVersion: 1, ok: false, exitCode, error: { code } });
    expect(document.json().error?.message).toContain(says);
    expect(await stateOf(database)).toEqual(before);
  },
);

const without: readonly (readonly [argv: readonly string[], usage: string])[] = [
  [[], 'Usage: pulse-migrate <command> [flags]'],
  [['embedded'], 'Usage: pulse-migrate embedded'],
];

test.for(without)(
  '%j, in which the command is missing, prints the help and ends with exit code 2',
  async ([argv, usage]) => {
    const project = await openProject({});

    const shown = await project.cli(argv);
    const document = await project.cli([...argv, '--json']);

    expect(shown.exitCode).toBe(2);
    expect(shown.stdout).toContain(usage);
    expect(shown.stdout).toContain('Examples:');
    expect(shown.stderr).toBe('');
    expect(document.json()).toMatchObject({ exitCode: 2, error: { code: 'usage', message: 'no command is named' } });
  },
);

test('--json that another flag took for its value still gives a document, and behind -- it is a word', async () => {
  const project = await openProject(null);

  const taken = await project.cli(['new', 'first', '--dir', '--json']);
  const word = await project.cli(['new', '--', '--json']);

  expect(taken.json()).toMatchObject({ ok: true, result: { up: '--json/0001_first.up.sql' } });
  expect(word.stdout).toBe('migrations/0001_json.up.sql\nmigrations/0001_json.down.sql\n');
});
