import { expect, test } from 'vitest';
import type { HostParameters, SslMode } from '../../../src/postgres/connection-parameters.ts';
import { connectionAttempts, nextAttempt } from '../../../src/postgres/socket.ts';

const host = (name: string, hostaddr: string | null = null): HostParameters => ({
  host: name,
  hostaddr,
  port: 5432,
  password: null,
});
const hosts = [host('a'), host('/tmp'), host('b')];
const shown = (sslmode: SslMode) =>
  connectionAttempts({ hosts, sslmode }).map(
    ({ host: { host: name }, encrypted }) => `${name} ${encrypted ? 'tls' : 'plain'}`,
  );

test.each<[SslMode, string[]]>([
  ['disable', ['a plain', '/tmp plain', 'b plain']],
  ['allow', ['a plain', 'a tls', '/tmp plain', 'b plain', 'b tls']],
  ['prefer', ['a tls', 'a plain', '/tmp plain', 'b tls', 'b plain']],
  ['require', ['a tls', '/tmp plain', 'b tls']],
  ['verify-ca', ['a tls', '/tmp plain', 'b tls']],
  ['verify-full', ['a tls', '/tmp plain', 'b tls']],
])('sslmode=%s tries each host in this order, and a Unix socket never with TLS', (sslmode, expected) => {
  expect(shown(sslmode)).toEqual(expected);
});

test('an address given for a name that looks like a socket directory is reached by TCP', () => {
  expect(connectionAttempts({ hosts: [host('/tmp', '10.0.0.1')], sslmode: 'require' })).toMatchObject([
    { encrypted: true },
  ]);
});

test.each<[string, SslMode, number, boolean | null, number | null]>([
  ['an unreachable host is not tried again without TLS', 'prefer', 0, null, 2],
  ['after a refusal over TLS the same host is tried without', 'prefer', 0, true, 1],
  ['after a refusal without TLS, which prefer fell back to, nothing is left', 'prefer', 0, false, null],
  ['after a refusal without TLS the same host is tried with it', 'allow', 0, false, 1],
  ['after both were refused no other host is asked', 'allow', 1, true, null],
  ['a refusal under require is the end', 'require', 0, true, null],
  ['an unreachable last host is the end', 'require', 2, null, null],
])('%s', (_case, sslmode, failed, encrypted, next) => {
  expect(nextAttempt(connectionAttempts({ hosts, sslmode }), failed, encrypted)).toBe(next);
});
