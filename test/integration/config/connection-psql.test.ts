import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConnection } from '../../../src/config/connection/resolve.ts';
import { PulseError } from '../../../src/errors.ts';
import { connect } from '../../../src/postgres/connect.ts';
import { startServer } from '../../support/server.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { askPsql, hasPsql } from '../psql.ts';

const home = mkdtempSync(join(tmpdir(), 'pulse-migrate-libpq-'));
const place: { server?: PrivateServer } = {};

const hba = 'local all all trust\nhost all "p@ss:us/er" all scram-sha-256\nhost all all all trust\n';

beforeAll(async () => {
  place.server = await startServer({ hba });
  await using session = await connect(await parametersOf(place.server.socketUrl, {}));
  await session.run('CREATE ROLE anna LOGIN; CREATE ROLE "p@ss:us/er" LOGIN PASSWORD \'p@s%s/w:d\'');
  await session.run('CREATE DATABASE anna');
  await session.run('CREATE DATABASE "my db/a@b=c"');
  const files = {
    '.pgpass': `127.0.0.1:*:anna:p@ss\\:us/er:p@s%s/w\\:d\n`,
    '.pg_service.conf': filled('[here]\nhost=127.0.0.1\nport={port}\ndbname=anna\n'),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text, { mode: 0o600 });
}, 60_000);

afterAll(async () => {
  await place.server?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const filled = (text: string) =>
  text
    .replaceAll('{port}', String(place.server?.port))
    .replaceAll('{socket}', place.server?.socketDirectory ?? '')
    .replaceAll('{%socket}', encodeURIComponent(place.server?.socketDirectory ?? ''));

async function parametersOf(text: string, env: Readonly<Record<string, string>>) {
  const around = { cwd: home, env, homeDirectory: home, userName: 'anna' };
  const { parameters, problems } = await resolveConnection(text, 'test', around);
  if (parameters === null) throw new PulseError('config-invalid', 'refused', { problems });
  return parameters;
}

const question = `SELECT concat_ws('|', current_user, current_database(), coalesce(host(inet_server_addr()), 'socket'), inet_server_port(),
  regexp_replace(current_setting('application_name'), '^(psql|pulse-migrate)$|^pulse-migrate \\((.*)\\)$', '\\2'),
  current_setting('search_path')) AS answer`;

/** What the server sees of us, or null where the string or the server refuses. */
async function ours(text: string, env: Readonly<Record<string, string>>): Promise<string | null> {
  try {
    await using session = await connect(await parametersOf(text, env));
    const [row] = await session.rows<{ answer: string }>({ text: question });
    return row?.answer ?? '';
  } catch (error) {
    if (error instanceof PulseError) return null;
    throw error;
  }
}

type Case = readonly [text: string, env?: Readonly<Record<string, string>>];

const accepted: readonly Case[] = [
  ['postgresql://anna@127.0.0.1:{port}/anna'],
  ['postgres://anna@127.0.0.1:{port}'],
  ['postgresql://an%6Ea@127.0.0.1:{port}/my%20db%2Fa%40b%3Dc'],
  ['postgresql://anna@127.0.0.1:{port}/my%20db/a%40b=c'],
  ['postgresql://p%40ss%3Aus%2Fer:p%40s%25s%2Fw%3Ad@127.0.0.1:{port}/anna'],
  ['postgresql://p%40ss%3Aus%2Fer:p%40s%25s%2Fw:d@127.0.0.1:{port}/anna'],
  ['postgresql://p%40ss%3Aus%2Fer@127.0.0.1:{port}/anna'],
  ['postgresql://p%40ss%3Aus%2Fer@127.0.0.1:{port}/anna', { PGPASSWORD: 'p@s%s/w:d' }],
  ['postgresql://anna@{%socket}:{port}/anna'],
  ['postgresql://anna@/anna?host={socket}&port={port}'],
  ['postgresql:///anna?host={%socket}&port={port}&user=postgres'],
  ['postgresql://anna@127.0.0.1:1,127.0.0.1:{port}/anna'],
  ['postgresql://anna@nonexistent.invalid,127.0.0.1/anna?port={port}'],
  ['postgresql://anna@wrong:{port}/anna?host=127.0.0.1&dbname=postgres'],
  ['postgresql://anna@127.0.0.1:{port}/anna?application_name=a%20b+c'],
  ['postgresql://anna@127.0.0.1:{port}/anna?options=-c%20search_path%3Dpg_temp'],
  ['postgresql://anna@wrong.invalid:{port}/anna?hostaddr=127.0.0.1'],
  ['host=127.0.0.1 port={port} user=anna dbname=anna'],
  ["host = 127.0.0.1  port= {port} user =anna dbname='my db/a@b=c'"],
  ["host=127.0.0.1 port={port} user=anna dbname=my\\ db/a@b=c application_name='it\\'s'"],
  ["host='' hostaddr=127.0.0.1 port={port} user=anna"],
  ['user=anna', { PGHOST: '127.0.0.1', PGPORT: '{port}', PGAPPNAME: 'app', PGOPTIONS: '-c search_path=pg_temp' }],
  ['user=anna', { PGHOSTADDR: '127.0.0.1', PGPORT: '{port}', PGDATABASE: 'postgres' }],
  ['host={socket} user=anna', { PGHOST: 'nonexistent.invalid', PGPORT: '{port}' }],
  ['service=here user=anna'],
  ['service=here user=anna dbname=postgres', { PGDATABASE: 'template1', PGPORT: '1' }],
  ['user=anna', { PGSERVICE: 'here', PGHOST: 'nonexistent.invalid' }],
  ['host=127.0.0.1 port={port} user=anna channel_binding=disable gssencmode=disable keepalives=1'],
  ['postgresql://anna@127.0.0.1:{port}/anna?'],
];

const refused: readonly Case[] = [
  ['postgresql://anna@127.0.0.1:{port}x/anna'],
  ['postgresql://anna@127.0.0.1:0/anna'],
  ['postgresql://anna@127.0.0.1:65536/anna'],
  ['postgresql://anna@127.0.0.1:{port}/anna?unknown=1'],
  ['postgresql://anna@127.0.0.1:{port}/anna?sslmode'],
  ['postgresql://anna@127.0.0.1:{port}/anna?options=-c search_path=x'],
  ['postgresql://anna@127.0.0.1:{port}/anna?sslmode=on'],
  ['postgresql://anna@127.0.0.1:{port}/anna?sslmode='],
  ['postgresql://anna@127.0.0.1:{port}/anna?ssl=1'],
  ['postgresql://anna@127.0.0.1:{port}/an%na'],
  ['postgresql://anna@127.0.0.1:{port}/an%00na'],
  ['postgresql://anna@[127.0.0.1:{port}/anna'],
  ['postgresql://anna@127.0.0.1,127.0.0.1/anna?port={port},{port},{port}'],
  ['host=127.0.0.1,127.0.0.1 hostaddr=127.0.0.1 port={port} user=anna'],
  ['host=127.0.0.1 port={port} user=anna dbname'],
  ["host=127.0.0.1 port={port} user=anna dbname='anna"],
  ['host=127.0.0.1 port={port} user=anna connect_timeout=soon'],
  ['host=127.0.0.1 port={port} user=anna target_session_attrs=master'],
  ['host=127.0.0.1 port={port} user=anna sslmode=require'],
  ['host=127.0.0.1 port={port} user=anna', { PGSSLMODE: 'verify_full' }],
  ['service=elsewhere user=anna'],
  ['user=anna', { PGSERVICE: 'here', PGSERVICEFILE: '/nonexistent' }],
  ['postgresql://p%40ss%3Aus%2Fer:wrong@127.0.0.1:{port}/anna'],
];

const named = (cases: readonly Case[]) => cases.map(([text, env = {}]) => ({ text, env, shown: JSON.stringify(env) }));

describe.skipIf(!hasPsql)('psql and this program agree', () => {
  const run = async (text: string, env: Readonly<Record<string, string>>) => {
    const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]));
    const theirs = await askPsql(filled(text), question, { HOME: home, ...variables });
    return { theirs, mine: await ours(filled(text), variables) };
  };

  test.each(named(accepted))('on where $text leads, with $shown', async ({ text, env }) => {
    const { theirs, mine } = await run(text, env);
    expect(theirs).not.toBeNull();
    expect(mine).toBe(theirs);
  });

  test.each(named(refused))('that $text leads nowhere, with $shown', async ({ text, env }) => {
    expect(await run(text, env)).toEqual({ theirs: null, mine: null });
  });
});
