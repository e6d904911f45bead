import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveConnection } from '../../../../src/config/connection/resolve.ts';
import type { Surroundings } from '../../../../src/config/settings.ts';
import { surroundings } from '../surroundings.ts';

/** What is resolved, short: host[=address]:port for each host, role, database, and parameters asked for by name. */
async function resolved(text: string, env: Surroundings['env'] = {}, files: Readonly<Record<string, string>> = {}) {
  const around = await surroundings(files, env);
  const { parameters, problems, warnings } = await resolveConnection(text, 'DATABASE_URL', around);
  if (parameters === null) {
    return { problems: problems.map(({ message }) => message), servers: undefined, warnings: undefined };
  }
  const servers = parameters.hosts.map(
    ({ host, hostaddr, port }) => `${host}${hostaddr === null ? '' : `=${hostaddr}`}:${port}`,
  );
  const passwords = parameters.hosts.map(({ password }) => password?.reveal() ?? null);
  return { ...parameters, servers: servers.join(' '), passwords, warnings: warnings.map(({ message }) => message) };
}

const servers = (expected: string) => ({ servers: expected });

describe('a connection string is understood as libpq understands it', () => {
  test.each([
    ['postgresql://h/d', { servers: 'h:5432', user: 'anna', database: 'd' }],
    ['postgres://u@h', { servers: 'h:5432', user: 'u', database: 'u' }],
    ['postgresql://u:p%40s%2Fs@h:6000/d', { servers: 'h:6000', user: 'u', database: 'd', passwords: ['p@s/s'] }],
    ['postgresql://u:a:b@h/d', { passwords: ['a:b'] }],
    ['postgresql://u:a?b#c@h/d', { servers: 'h:5432', passwords: ['a?b#c'] }],
    ['postgresql://us%65r@h/my%20db', { user: 'user', database: 'my db' }],
    ['postgresql://h1:1,h2:2/d', servers('h1:1 h2:2')],
    ['postgresql://h1,h2:2/d', servers('h1:5432 h2:2')],
    ['postgresql://h1,h2/d?port=7', servers('h1:7 h2:7')],
    ['postgresql://[::1]:7/d', servers('::1:7')],
    ['postgresql://[::1],h/d', servers('::1:5432 h:5432')],
    ['postgresql://%2Fvar%2Flib/d', servers('/var/lib:5432')],
    ['postgresql:///d?host=/tmp/s&port=7', { servers: '/tmp/s:7', database: 'd' }],
    [
      'postgresql://h/d?host=g&user=v&password=w&dbname=e',
      { servers: 'g:5432', user: 'v', database: 'e', passwords: ['w'] },
    ],
    ['postgresql://h/d?hostaddr=10.0.0.1', servers('h=10.0.0.1:5432')],
    ['postgresql:///d?hostaddr=10.0.0.1', servers('10.0.0.1=10.0.0.1:5432')],
    ['postgresql://h/d?ssl=true', { sslmode: 'require' }],
    ['postgresql://h/d?', servers('h:5432')],
    ['postgresql://h/d/e', { database: 'd/e' }],
    ['postgresql://h/d?application_name=a+b%20c', { applicationName: 'pulse-migrate (a+b c)' }],
    ['postgresql://h/d?options=-c%20search_path%3Dx', { options: '-c search_path=x' }],
    ['  postgresql://h/d\n', { database: 'd' }],
    ['host=h port=7 user=u dbname=d', { servers: 'h:7', user: 'u', database: 'd' }],
    ["host = h  password = 'a b\\'c\\\\'", { servers: 'h:5432', passwords: ["a b'c\\"] }],
    ['dbname=a\\ b', { database: 'a b' }],
    ["host='' dbname=d port=7", { database: 'd' }],
    ['host=h1,h2 hostaddr=10.0.0.1,10.0.0.2 port=1,2', servers('h1=10.0.0.1:1 h2=10.0.0.2:2')],
    ['host=h port=', servers('h:5432')],
    ['host=h connect_timeout=1', { connectTimeoutMs: 2_000 }],
    ['host=h connect_timeout=0', { connectTimeoutMs: 0 }],
    [
      'host=h',
      { connectTimeoutMs: 12_000, sslmode: 'prefer', applicationName: 'pulse-migrate', targetSessionAttrs: 'any' },
    ],
    ['host=h fallback_application_name=f', { applicationName: 'pulse-migrate (f)' }],
    ['host=h application_name=pulse-migrate-7', { applicationName: 'pulse-migrate-7' }],
    [`host=h application_name=${'é'.repeat(60)}`, { applicationName: `pulse-migrate (${'é'.repeat(23)})` }],
    ['host=h sslrootcert=system', { sslmode: 'verify-full', sslrootcert: 'system' }],
    [
      "host=h channel_binding=prefer gssencmode=disable requirepeer='' keepalives=1 load_balance_hosts=disable",
      { warnings: [] },
    ],
    ['postgresql://h/d?schema=public', { warnings: [] }],
  ])('%s', async (text, expected) => {
    expect(await resolved(text)).toMatchObject(expected);
  });
});

describe('a connection string that cannot be taken is refused with the reason', () => {
  test.each([
    ['postgresql://u:topsecret@1@h/d', 'DATABASE_URL: the password holds an unescaped "@"'],
    ['postgresql://u:topsecret@x/1@h/d', 'DATABASE_URL: the password holds an unescaped "@"'],
    [
      'postgresql://u:topsecret/1@h/d',
      'DATABASE_URL: the password holds an unescaped "/", or the name of the database an unescaped "@"',
    ],
    [
      'postgresql://u:topsecret%@h/d',
      'DATABASE_URL: the password holds a "%" that is not followed by two hexadecimal digits',
    ],
    ['postgresql://u:topsecret%00@h/d', 'DATABASE_URL: the password holds %00, which PostgreSQL cannot take'],
    ['postgresql://u:topsecret%ff@h/d', 'DATABASE_URL: the password holds percent escapes that are not UTF-8'],
    ['postgresql://u:topsecret', 'DATABASE_URL: a port is not a number'],
    ['postgresql://h:0/topsecret', 'port in DATABASE_URL is not a number from 1 to 65535'],
    ['postgresql://h:65536/topsecret', 'port in DATABASE_URL is not a number from 1 to 65535'],
    ['postgresql://u:topsecret@[::1/d', 'DATABASE_URL: an IPv6 address lacks its "]"'],
    ['postgresql://u:topsecret@[]/d', 'DATABASE_URL: an IPv6 address is empty'],
    ['postgresql://u:topsecret@[::1]x/d', 'DATABASE_URL: something other than a port follows an IPv6 address'],
    ['postgresql://h/d?topsecret', 'DATABASE_URL: a parameter after "?" is not of the form name=value'],
    ['postgresql://h/d?options=-c x=topsecret', 'DATABASE_URL: a parameter after "?" is not of the form name=value'],
    ['postgresql://h/d?top secret=1', '"…" in DATABASE_URL is not a parameter of PostgreSQL'],
    ['postgresql://h/d?sslmod=topsecret', 'sslmod in DATABASE_URL is not a parameter of PostgreSQL'],
    ['postgresql://h/d?constructor=topsecret', 'constructor in DATABASE_URL is not a parameter of PostgreSQL'],
    [
      'postgresql://h/d?sslmode=topsecret',
      'sslmode in DATABASE_URL must be one of disable, allow, prefer, require, verify-ca, verify-full',
    ],
    [
      'postgresql://h/d?sslmode=',
      'sslmode in DATABASE_URL must be one of disable, allow, prefer, require, verify-ca, verify-full',
    ],
    [
      'postgresql://h/d?channel_binding=require',
      'channel_binding in DATABASE_URL asks for something this program does not do',
    ],
    ['host=h gssencmode=require', 'gssencmode in DATABASE_URL asks for something this program does not do'],
    ['host=/tmp requirepeer=postgres', 'requirepeer in DATABASE_URL asks for something this program does not do'],
    ['host=h sslcertmode=disable', 'sslcertmode in DATABASE_URL asks for something this program does not do'],
    ['postgresql://h/d?schema=app', 'schema in DATABASE_URL is not a parameter of PostgreSQL'],
    ['postgresql://h/d?sslaccept=strict', 'sslaccept in DATABASE_URL is not a parameter of PostgreSQL'],
    ['postgresql://h/d?ssl=false', 'ssl in DATABASE_URL is not a parameter of PostgreSQL'],
    ['postgresql://h1,h2/d?port=1,2,3', 'there are 3 ports (port in DATABASE_URL) and 2 hosts'],
    [
      'host=h1,h2 hostaddr=10.0.0.1',
      'there are 2 names (host in DATABASE_URL) and 1 addresses (hostaddr in DATABASE_URL)',
    ],
    ['host=@abstract', 'host in DATABASE_URL begins with "@": abstract Unix sockets are not supported'],
    ['host=h connect_timeout=soon', 'connect_timeout in DATABASE_URL must be a whole number of seconds'],
    ['host=h sslrootcert=system sslmode=require', 'sslrootcert=system is too weak with sslmode=require'],
    ['host=h sslnegotiation=direct', 'sslnegotiation=direct cannot go with sslmode=prefer'],
    [
      'host=h ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=tlsv1.2',
      'ssl_min_protocol_version is above ssl_max_protocol_version',
    ],
    [
      'host=h ssl_min_protocol_version=SSLv3',
      'ssl_min_protocol_version in DATABASE_URL must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3',
    ],
    [
      'host=h target_session_attrs=master',
      'target_session_attrs in DATABASE_URL must be one of any, read-write, read-only, primary, standby, prefer-standby',
    ],
    ['host=h topsecret', 'DATABASE_URL: a word in it has no "=" after it'],
    ["host=h password='topsecret", 'DATABASE_URL: a quoted value in it is not closed'],
    ['topsecret', 'DATABASE_URL: it is neither a URL nor keywords'],
    ['"postgresql://u:topsecret@h/d"', 'DATABASE_URL: it begins with a quote'],
    ['mysql://u:topsecret@h/d', 'DATABASE_URL: the scheme "mysql" is not one of PostgreSQL'],
    ['jdbc:postgresql://h/d?password=topsecret', 'DATABASE_URL: the scheme "jdbc:postgresql" is not one of PostgreSQL'],
  ])('%s', async (text, problem) => {
    const { problems } = await resolveConnection(text, 'DATABASE_URL', await surroundings());
    expect(problems.map(({ message }) => message)).toEqual([problem]);
    expect(JSON.stringify(problems)).not.toContain('topsecret');
  });

  test('all bad parameters are named at once, with what was probably meant', async () => {
    const { problems } = await resolveConnection('host=h sslmod=require port=x usr=a', 'x', await surroundings());
    expect(problems.map(({ hint }) => hint)).toEqual([
      'did you mean sslmode?',
      'did you mean user?',
      'the usual port is 5432',
    ]);
  });
});

test('parameters of Prisma that are about its pool are ignored with a warning', async () => {
  const { warnings } = await resolved('postgresql://h/d?pgbouncer=true&connection_limit=5');
  expect(warnings).toEqual([
    "pgbouncer in DATABASE_URL is a parameter of Prisma's pool and has no effect here",
    "connection_limit in DATABASE_URL is a parameter of Prisma's pool and has no effect here",
  ]);
});

describe('what the string leaves out comes from elsewhere', () => {
  const service = {
    'home/.pg_service.conf': '[main]\nhost=service\nport=7\n',
    'pg_service.conf': '[machine]\nhost=machine\n',
  };

  test('a service stands between the string and the environment variables', async () => {
    const env = { PGSERVICE: 'main', PGHOST: 'variable', PGPORT: '8', PGUSER: 'v', PGDATABASE: 'e', PGAPPNAME: 'n' };
    expect(await resolved('port=6', env, service)).toMatchObject({
      servers: 'service:6',
      user: 'v',
      database: 'e',
      applicationName: 'pulse-migrate (n)',
    });
  });

  test('a service the user does not have is looked up in the file of the machine', async () => {
    expect(await resolved('service=machine', {}, service)).toMatchObject(servers('machine:5432'));
  });

  test('a service nobody defines is refused', async () => {
    expect(await resolved('service=mian', {}, service)).toEqual({
      problems: ['there is no service "mian" (service in DATABASE_URL)'],
    });
  });

  test.each(['/nonexistent/services', '/dev/zero', '/dev'])(
    'the PGSERVICEFILE %s, which cannot be read to its end, is refused instead of passed over',
    async (path) => {
      const { problems } = await resolved('service=main', { PGSERVICEFILE: path }, service);
      expect(problems).toEqual([`${path} (PGSERVICEFILE) cannot be read`]);
    },
  );

  test('an unsupported parameter in an environment variable is refused by the name of the variable', async () => {
    expect(await resolved('', { PGCHANNELBINDING: 'require' })).toEqual({
      problems: ['PGCHANNELBINDING asks for something this program does not do'],
    });
  });

  test('PGREQUIRESSL asks for TLS only where sslmode is not given', async () => {
    expect(await resolved('host=h', { PGREQUIRESSL: '1' })).toMatchObject({ sslmode: 'require' });
    expect(await resolved('host=h', { PGREQUIRESSL: '1', PGSSLMODE: 'disable' })).toMatchObject({ sslmode: 'disable' });
  });

  test('nothing at all means the local socket, the name of the user, and a database of that name', async () => {
    const found = await resolved('');
    expect(found).toMatchObject({ user: 'anna', database: 'anna' });
    expect(found.servers).toMatch(/^\/(var\/run\/postgresql|tmp):5432$/);
  });

  test('a relative certificate path starts in the current folder', async () => {
    const around = await surroundings();
    const { parameters } = await resolveConnection('host=h sslrootcert=ca.pem', 'x', around);
    expect(parameters?.sslrootcert).toBe(join(around.cwd, 'ca.pem'));
  });
});

describe('the password file', () => {
  const lines = 'h1:5432:*:*:one\nh2:*:d:u:two\nlocalhost:*:*:*:local\n';
  const files = { 'home/.pgpass': lines };

  test('gives each host its own password', async () => {
    expect(await resolved('postgresql://u@h1,h2,h3/d', {}, files)).toMatchObject({ passwords: ['one', 'two', null] });
  });

  test('is asked for "localhost" when the host is the default directory of the Unix socket', async () => {
    expect(await resolved('user=u', {}, files)).toMatchObject({ passwords: ['local'] });
    expect(await resolved('user=u host=/elsewhere', {}, files)).toMatchObject({ passwords: [null] });
  });

  test('stands below PGPASSWORD and an empty password in the string', async () => {
    expect(await resolved('postgresql://u@h1/d', { PGPASSWORD: 'variable' }, files)).toMatchObject({
      passwords: ['variable'],
    });
    expect(await resolved('postgresql://u:@h1/d', {}, files)).toMatchObject({ passwords: ['one'] });
  });

  test('is not used when others can read it, and the warning says what to run', async () => {
    const around = await surroundings(files);
    chmodSync(join(around.cwd, 'home/.pgpass'), 0o640);
    const { parameters, warnings } = await resolveConnection('postgresql://u@h1/d', 'x', around);
    expect(parameters?.hosts[0]?.password).toBeNull();
    expect(warnings.map(({ hint }) => hint)).toEqual([`run: chmod 600 ${around.cwd}/home/.pgpass`]);
  });
});
