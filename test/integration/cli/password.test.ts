import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { test as base, type StartProgram } from '../../support/program.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';

/** Letters that URLs, SQL and JSON each escape in their own way. */
const canary = `Kanarien"vogel'%/1`;

/** Pieces by which any of the forms would be recognised. */
const traces = /Kanarien|vogel/i;

const files = pairs({ '0001_a': table('a'), '0002_b': ['SELECT nope;', 'SELECT 1;'] });

// biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
const test = base.extend('server', { scope: 'file' }, async ({}, { onCleanup }) => {
  const server = await startServer();
  onCleanup(() => server[Symbol.asyncDispose]());
  return server;
});

interface Way {
  readonly how: string;
  readonly env: (url: URL) => Readonly<Record<string, string>>;
  readonly flags?: (url: URL) => readonly string[];
}

const withPassword = (url: URL): string => {
  const other = new URL(url);
  other.password = encodeURIComponent(canary);
  return other.href;
};
const bare = (url: URL): string => {
  const other = new URL(url);
  other.password = '';
  return other.href;
};

const ways: readonly Way[] = [
  { how: 'DATABASE_URL', env: (url) => ({ DATABASE_URL: withPassword(url) }) },
  { how: 'PGPASSWORD', env: (url) => ({ DATABASE_URL: bare(url), PGPASSWORD: canary }) },
  { how: '--database-url', env: () => ({}), flags: (url) => ['--database-url', withPassword(url)] },
  {
    how: 'a keyword string',
    env: ({ port }) => ({
      DATABASE_URL: `host=127.0.0.1 port=${port} user=canary dbname=postgres password='${canary.replaceAll("'", "\\'")}'`,
    }),
  },
  {
    how: 'a URL that cannot be read',
    env: (url) => ({ DATABASE_URL: `${bare(url).replace('@', `:${canary}@`)}?sslmode=nope` }),
  },
  { how: 'a wrong port', env: (url) => ({ DATABASE_URL: withPassword(url).replace(`:${url.port}/`, ':1/') }) },
];

const commands: readonly (readonly string[])[] = [
  ['up', '--yes'],
  ['up', '--plan'],
  ['status', '--verbose'],
  ['doctor'],
  ['down'],
  ['diff', '1'],
  ['history'],
  ['up', '--unknown-flag'],
  ['up', '--backup', 'dumps'],
];

const titled = ways.map((way) => [way.how, way] as const);

test.for(titled)('a password in %s is in no output of commands that succeed or fail', async ([, way], { server }) => {
  const { url, project } = await canaryProject(server.url);
  const env = way.env(url);
  const flags = way.flags?.(url) ?? [];

  const exitCodes: number[] = [];
  for (const command of commands) {
    for (const json of [[], ['--json']]) {
      const run = await project.cli([...command, ...flags, ...json], { env });
      exitCodes.push(run.exitCode);
      expect([...command, ...json, run.stdout.match(traces), run.stderr.match(traces)]).toEqual([
        ...command,
        ...json,
        null,
        null,
      ]);
    }
  }
  expect(exitCodes).not.toContain(70);
});

test('the way in is not refused: with the right password the same commands reach the database', async ({ server }) => {
  const { url, project } = await canaryProject(server.url);

  const runs = await Promise.all(
    ways.slice(0, 4).map((way) => project.cli(['status', ...(way.flags?.(url) ?? [])], { env: way.env(url) })),
  );

  expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
});

test('a password in a statement that fails is not shown with the line it stands in', async ({ server }) => {
  const sql = "CREATE ROLE nobody PASSWORD 'Kanarienvogel' NONSENSE;\nSELECT 1;";
  const project = await openProject(pairs({ '0001_role': [sql, 'SELECT 1;'] }), { url: server.url });
  await project.configure('ledgerSchema: another\n');

  const shown = await project.cli(['up', '--yes']);
  const document = await project.cli(['up', '--yes', '--json']);

  expect(shown.exitCode).toBe(5);
  expect(shown.stderr).toContain('CREATE ROLE nobody PASSWORD [secret] NONSENSE;');
  expect(shown.stderr + document.stdout).not.toMatch(traces);
});

test('a password typed on the command line is gone from the list of running programs once it works', async ({
  server,
  start,
}) => {
  const { url, project } = await canaryProject(server.url);
  await project.write({ '0001_a.up.sql': 'SELECT pg_sleep(30);' });

  const commandLine = await commandLineWhileRunning(start, project, withPassword(url));

  expect(commandLine).not.toMatch(traces);
  expect(commandLine).toContain('pulse-migrate');
});

async function commandLineWhileRunning(start: StartProgram, project: Project, url: string): Promise<string> {
  const program = start(project, ['up', '--yes', '--database-url', url]);
  const path = `/proc/${program.pid}/cmdline`;
  const commandLine = await until('the program works', async () => {
    const text = await readFile(path, 'utf8').catch(() => '');
    return text.includes('--database-url') ? null : text;
  });
  program.kill('SIGINT');
  await program.ended;
  return commandLine;
}

async function canaryProject(serverUrl: string): Promise<{ readonly url: URL; readonly project: Project }> {
  const administrator = await openProject({}, { url: serverUrl });
  await administrator.write(
    pairs({
      '0001_role': [
        `DO $$ BEGIN IF to_regrole('canary') IS NULL THEN CREATE ROLE canary SUPERUSER LOGIN; END IF; END $$; ALTER ROLE canary PASSWORD '${canary.replaceAll("'", "''")}';`,
        'SELECT 1;',
      ],
    }),
  );
  await administrator.configure('ledgerSchema: administration\n');
  await administrator.done(['up', '--yes']);
  const url = new URL(serverUrl);
  url.username = 'canary';
  return { url, project: await openProject(files) };
}
