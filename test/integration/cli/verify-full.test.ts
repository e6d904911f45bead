import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { createAuthority } from '../postgres/certificates.ts';

const files = pairs({
  '0001_line': [
    'CREATE TABLE line AS SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid();',
    'DROP TABLE line;',
  ],
  '0002_index': [
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY line_idx ON line (version);',
    '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY line_idx;',
  ],
});

test('up goes through TLS and SCRAM with verify-full, and through nothing that is weaker or another host than the certificate says', {
  timeout: 60_000,
}, async () => {
  const directory = join(inject('runDirectory'), 'verify-full');
  mkdirSync(directory);
  const authority = createAuthority(directory, 'ours');
  const stranger = createAuthority(directory, 'stranger');
  await using server = await startServer({
    hba: 'local all postgres trust\nhostssl all all all scram-sha-256\nhostnossl all all all reject',
    tls: authority.issue('server', 'server', 'DNS:localhost'),
    settings: { ssl_min_protocol_version: 'TLSv1.2' },
  });
  const admin = await openSession(server.socketUrl);
  await admin.run("CREATE ROLE deploy LOGIN PASSWORD 'canary'; GRANT CREATE ON DATABASE postgres TO deploy");
  await admin.run('GRANT CREATE ON SCHEMA public TO deploy');
  const project = await openProject(files);
  const up = (host: string, parameters: string, password = 'canary') =>
    project.cli(['up', '--json'], {
      env: { DATABASE_URL: `postgresql://deploy:${password}@${host}:${server.port}/postgres?${parameters}` },
    });
  const ours = `sslmode=verify-full&sslrootcert=${encodeURIComponent(authority.certificate)}`;

  const refusals = [
    [await up('127.0.0.1', ours), 'connection-failed', /certificate is not for this host/, /sslmode=verify-ca|host/],
    [
      await up('localhost', `sslmode=verify-full&sslrootcert=${encodeURIComponent(stranger.certificate)}`),
      'connection-failed',
      /comes from an authority that is not trusted/,
      /sslrootcert/,
    ],
    [await up('localhost', 'sslmode=disable'), 'authentication-failed', /no encryption/, /./],
    [await up('localhost', ours, 'wrong'), 'authentication-failed', /password authentication failed/, /PGPASSWORD/],
    [await up('localhost', `${ours}&channel_binding=require`), 'config-invalid', /channel_binding/, /verify-full/],
  ] as const;
  for (const [run, code, message, hint] of refusals) {
    const { error } = run.json();
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
    expect(run.stdout + run.stderr).not.toContain('canary');
  }
  expect(await admin.rows({ text: "SELECT to_regnamespace('pulse_migrate')::text AS ledger" })).toEqual([
    { ledger: null },
  ]);

  const run = await up('localhost', ours);

  expect(run.json()).toMatchObject({ exitCode: 0, result: { pending: [] } });
  expect(await admin.rows({ text: 'SELECT * FROM line' })).toEqual([
    { ssl: true, version: expect.stringMatching(/^TLSv1\.[23]$/) },
  ]);
  expect(
    await admin.rows({ text: "SELECT left(rolpassword, 13) AS kind FROM pg_authid WHERE rolname = 'deploy'" }),
  ).toEqual([{ kind: 'SCRAM-SHA-256' }]);
});
