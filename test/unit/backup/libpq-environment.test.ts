import { expect, test } from 'vitest';
import { clientEnvironment, libpqEnvironment, withoutPasswords } from '../../../src/backup/libpq-environment.ts';
import { type ConnectionParameters, Secret } from '../../../src/postgres/connection-parameters.ts';

const host = (name: string, password: string | null, hostaddr: string | null = null) => ({
  host: name,
  hostaddr,
  port: 5432,
  password: password === null ? null : new Secret(password),
});

const parameters: ConnectionParameters = {
  hosts: [host('a.example', 'canary'), { ...host('b.example', 'canary', '10.0.0.2'), port: 6432 }],
  user: 'anna',
  database: 'pulse',
  sslmode: 'verify-full',
  sslnegotiation: 'postgres',
  sslrootcert: 'root.pem',
  sslcert: null,
  sslkey: null,
  sslpassword: null,
  sslcrl: null,
  sslsni: true,
  sslMinProtocolVersion: 'TLSv1.2',
  sslMaxProtocolVersion: null,
  targetSessionAttrs: 'read-write',
  applicationName: 'pulse-migrate',
  options: '-c work_mem=8MB',
  connectTimeoutMs: 2500,
  certificateDirectory: null,
};

test('every parameter has its libpq variable, hosts in lists of one length', () => {
  expect(libpqEnvironment(parameters)).toEqual({
    PGHOST: 'a.example,b.example',
    PGHOSTADDR: ',10.0.0.2',
    PGPORT: '5432,6432',
    PGUSER: 'anna',
    PGDATABASE: 'pulse',
    PGPASSWORD: 'canary',
    PGSSLMODE: 'verify-full',
    PGSSLNEGOTIATION: 'postgres',
    PGSSLROOTCERT: 'root.pem',
    PGSSLMINPROTOCOLVERSION: 'TLSv1.2',
    PGSSLSNI: '1',
    PGTARGETSESSIONATTRS: 'read-write',
    PGAPPNAME: 'pulse-migrate',
    PGOPTIONS: '-c work_mem=8MB',
    PGCONNECT_TIMEOUT: '3',
  });
});

test('passwords that differ by host are left to the password file they came from', () => {
  const differing = { ...parameters, hosts: [host('a', 'one'), host('b', 'two')] };
  expect(libpqEnvironment(differing)).not.toHaveProperty('PGPASSWORD');
  expect(libpqEnvironment({ ...parameters, hosts: [host('a', 'one'), host('b', null)] })).not.toHaveProperty(
    'PGPASSWORD',
  );
});

test('variables of the operator that contradict the parameters do not reach the client program', () => {
  const base = {
    PATH: '/bin',
    PGHOST: 'elsewhere',
    PGSERVICE: 'other',
    PGSSLKEY: 'old.key',
    PGPASSFILE: '/pass',
    GONE: undefined,
  };
  const environment = clientEnvironment(base, parameters);
  expect(environment).toMatchObject({ PATH: '/bin', PGHOST: 'a.example,b.example', PGPASSFILE: '/pass' });
  expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(['PGSERVICE']));
  expect(environment).not.toHaveProperty('PGSSLKEY');
  expect(environment).not.toHaveProperty('GONE');
});

test('a password never stays in what a client program said', () => {
  expect(withoutPasswords('connection string "password=canary" is odd: canary', parameters)).not.toContain('canary');
});
