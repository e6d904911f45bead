import { isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isAddress } from '../../../src/postgres/address.ts';

test.each([
  ['127.0.0.1', true],
  ['::1', true],
  ['fe80::1%eth0', true],
  ['::ffff:10.0.0.1', true],
  ['localhost', false],
  ['10.0.0', false],
  ['999.1.1.1', false],
  ['db.example.com', false],
  ['cafe', false],
  ['', false],
])('%j is an address: %s', (host, expected) => {
  expect(isAddress(host)).toBe(expected);
});

test('says what Node says of every host', () => {
  const hosts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain(), fc.string({ unit: fc.constantFrom(...'0af1.:%') }));
  fc.assert(fc.property(hosts, (host) => isAddress(host) === (isIP(host) !== 0)));
});
