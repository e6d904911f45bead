import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConnection } from '../../../src/config/connection/resolve.ts';
import { PulseError } from '../../../src/errors.ts';
import { connect } from '../../../src/postgres/connect.ts';
import { startServer } from '../../support/server.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { askPsql, hasPsql } from '../psql.ts';
import { createAuthority, encryptKey } from './certificates.ts';

type Place = 'named' | 'numbered' | 'plain';

const directory = mkdtempSync(join(tmpdir(), 'pulse-migrate-tls-'));
const servers: Partial<Record<Place, PrivateServer>> = {};
const paths: Record<string, string> = {};

const hba = [
  'local all all trust',
  'hostssl all tls_only all trust',
  'hostnossl all tls_only all reject',
  'hostnossl all plain_only all trust',
  'hostssl all plain_only all reject',
  'hostssl all with_certificate all cert',
  'host all all all trust',
].join('\n');

beforeAll(async () => {
  const ours = createAuthority(directory, 'ours');
  const other = createAuthority(directory, 'other');
  const client = ours.issue('client', 'with_certificate');
  const named = ours.issue('named', 'x', 'DNS:localhost');
  const numbered = ours.issue('numbered', 'x', 'IP:127.0.0.1');
  const openKey = join(directory, 'open.key');
  copyFileSync(client.key, openKey);
  chmodSync(openKey, 0o644);
  // A home where libpq finds a root certificate by itself.
  mkdirSync(join(directory, 'home/.postgresql'), { recursive: true });
  copyFileSync(other.certificate, join(directory, 'home/.postgresql/root.crt'));
  Object.assign(paths, {
    ca: ours.certificate,
    otherCa: other.certificate,
    cert: client.certificate,
    key: client.key,
    openKey,
    lockedKey: encryptKey(client.key, 'opensesame'),
    oldLockedKey: encryptKey(client.key, 'opensesame', 'as before PKCS #8'),
    crl: ours.revoke('named'),
    missing: join(directory, 'missing'),
  });
  servers.named = await startServer({ hba, tls: { ...named, authority: ours.certificate } });
  servers.numbered = await startServer({ hba, tls: numbered });
  servers.plain = await startServer({ hba });
  for (const url of [servers.named.socketUrl, servers.plain.socketUrl]) {
    await using session = await connect(await parametersOf(url, 'empty'));
    await session.run('CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; CREATE ROLE with_certificate LOGIN');
  }
}, 120_000);

afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function parametersOf(text: string, home: string) {
  const around = { cwd: directory, env: {}, homeDirectory: join(directory, home), userName: 'postgres' };
  const { parameters, problems } = await resolveConnection(text, 'test', around);
  if (parameters === null) throw new Error(JSON.stringify(problems));
  return parameters;
}

/** `{ca}` and the like become paths, `{port}` and `{socket}` those of the server. */
function stringFor(place: Place, text: string): string {
  const server = servers[place];
  const known: Record<string, string> = { ...paths, socket: server?.socketDirectory ?? '', port: String(server?.port) };
  const filled = text.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => known[name] ?? '');
  return `host=127.0.0.1 user=postgres dbname=postgres port=${server?.port} ${filled}`;
}

const question =
  "SELECT CASE WHEN ssl THEN 'TLS' ELSE 'plain' END AS kind, coalesce(version, '') AS version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

async function ours(text: string, home: string): Promise<string> {
  try {
    await using session = await connect(await parametersOf(text, home));
    const [row] = await session.rows<{ kind: string }>({ text: question });
    expect(session.encrypted).toBe(row?.kind === 'TLS');
    return row?.kind ?? '';
  } catch (error) {
    if (error instanceof PulseError) return `${error.message.replace(/^.*?:\d+\S*( \([\d.]+\))?: /, '')}`;
    throw error;
  }
}

const untrusted = "the server's certificate comes from an authority that is not trusted";
const wrongName = "the server's certificate is not for this host";

interface Case {
  readonly on: Place;
  readonly text: string;
  /** TLS, plain, or how the refusal begins. */
  readonly outcome: string;
  readonly home?: string;
  /** Why psql is not asked: it is laxer where we are strict on purpose, or would ask a person. */
  readonly psql?: 'laxer' | 'asks';
}

const cases: readonly Case[] = [
  { on: 'named', text: '', outcome: 'TLS' },
  { on: 'named', text: 'sslmode=disable', outcome: 'plain' },
  { on: 'named', text: 'sslmode=allow', outcome: 'plain' },
  { on: 'named', text: 'sslmode=prefer', outcome: 'TLS' },
  { on: 'named', text: 'sslmode=require', outcome: 'TLS' },
  { on: 'named', text: 'sslmode=require sslrootcert={ca}', outcome: 'TLS' },
  { on: 'named', text: 'sslmode=require sslrootcert={otherCa}', outcome: untrusted },
  { on: 'named', text: 'sslmode=require', home: 'home', outcome: untrusted },
  { on: 'named', text: 'sslmode=prefer sslrootcert={otherCa}', outcome: 'plain' },
  { on: 'named', text: 'sslmode=require sslrootcert={missing}', outcome: 'the root certificate', psql: 'laxer' },
  { on: 'named', text: 'sslmode=verify-ca', outcome: 'the root certificate' },
  { on: 'named', text: 'sslmode=verify-ca sslrootcert={ca}', outcome: 'TLS' },
  { on: 'named', text: 'sslmode=verify-ca sslrootcert={otherCa}', outcome: untrusted },
  { on: 'named', text: 'sslmode=verify-full sslrootcert={ca}', outcome: wrongName },
  { on: 'named', text: 'sslmode=verify-full sslrootcert={ca} host=localhost', outcome: 'TLS' },
  {
    on: 'named',
    text: 'sslmode=verify-full sslrootcert={ca} host=localhost hostaddr=127.0.0.1 sslsni=0',
    outcome: 'TLS',
  },
  { on: 'named', text: 'sslmode=verify-full sslrootcert={ca} host=db.example hostaddr=127.0.0.1', outcome: wrongName },
  { on: 'named', text: 'sslmode=verify-full sslrootcert={otherCa} host=localhost', outcome: untrusted },
  { on: 'named', text: 'sslmode=verify-full sslrootcert=system host=localhost', outcome: untrusted, psql: 'laxer' },
  {
    on: 'named',
    text: 'sslmode=verify-ca sslrootcert={ca} sslcrl={crl}',
    outcome: "the server's certificate was revoked",
  },
  { on: 'numbered', text: 'sslmode=verify-full sslrootcert={ca}', outcome: 'TLS' },
  { on: 'numbered', text: 'sslmode=verify-full sslrootcert={ca} host=localhost', outcome: wrongName },
  { on: 'plain', text: '', outcome: 'plain' },
  { on: 'plain', text: 'sslmode=require', outcome: 'the server has no TLS' },
  { on: 'plain', text: 'sslmode=verify-full sslrootcert={ca}', outcome: 'the server has no TLS' },
  { on: 'named', text: 'sslmode=require host={socket}', outcome: 'plain' },
  { on: 'named', text: 'user=plain_only sslmode=prefer', outcome: 'plain' },
  { on: 'named', text: 'user=tls_only sslmode=allow', outcome: 'TLS' },
  { on: 'named', text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={key}', outcome: 'TLS' },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={lockedKey} sslpassword=opensesame',
    outcome: 'TLS',
  },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={lockedKey}',
    outcome: 'the private key of the client certificate is encrypted',
    psql: 'asks',
  },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={oldLockedKey}',
    outcome: 'the private key of the client certificate is encrypted',
    psql: 'asks',
  },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={oldLockedKey} sslpassword=opensesame',
    outcome: 'TLS',
  },
  { on: 'named', text: 'sslmode=prefer sslcert={cert} sslkey={lockedKey}', outcome: 'plain', psql: 'asks' },
  { on: 'plain', text: 'sslmode=prefer sslcert={cert} sslkey={lockedKey}', outcome: 'plain' },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={openKey}',
    outcome: 'the private key',
  },
  {
    on: 'named',
    text: 'user=with_certificate sslmode=require sslcert={cert} sslkey={missing}',
    outcome: 'there is a client certificate',
  },
  { on: 'named', text: 'sslmode=require sslcert={missing}', outcome: 'TLS' },
];

describe.each(cases)('on the $on server "$text" in home "$home"', ({ on, text, outcome, home = 'empty', psql }) => {
  test(`ends as ${outcome}`, async () => {
    expect(await ours(stringFor(on, text), home)).toMatch(new RegExp(`^${outcome}`));
  });

  test.skipIf(!hasPsql || psql !== undefined)('ends the same in psql', async () => {
    const answer = await askPsql(stringFor(on, text), question, { HOME: join(directory, home) });
    const kind = answer === null ? 'refused' : answer.split('|')[0];
    expect(kind).toBe(outcome === 'TLS' || outcome === 'plain' ? outcome : 'refused');
  });
});

// A wrong password passes for a right one once in 256 times, and fails in other words then.
test('a wrong password for the key of the client certificate is always told as that', async () => {
  const answers = new Set<string>();
  const text = 'user=with_certificate sslmode=require sslcert={cert} sslkey={lockedKey}';
  for (let tried = 0; tried < 600; tried += 1)
    answers.add(await ours(stringFor('named', `${text} sslpassword=wrong${tried}`), 'empty'));
  expect([...answers]).toEqual([
    'the private key of the client certificate is encrypted, and its password is missing or wrong (sslmode=require)',
  ]);
});

test.each([
  ['ssl_max_protocol_version=TLSv1.2', 'TLSv1.2'],
  ['ssl_min_protocol_version=TLSv1.3', 'TLSv1.3'],
])('%s decides the version of TLS', async (text, version) => {
  await using session = await connect(await parametersOf(stringFor('named', `sslmode=require ${text}`), 'empty'));
  expect(await session.rows({ text: question })).toMatchObject([{ version }]);
});

test('a role that pg_hba.conf takes only without TLS is refused under require, and not tried without', async () => {
  const parameters = await parametersOf(stringFor('named', 'user=plain_only sslmode=require'), 'empty');
  await expect(connect(parameters)).rejects.toMatchObject({ code: 'authentication-failed' });
});
