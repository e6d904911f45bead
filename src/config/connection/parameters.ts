/** Every parameter libpq knows: which we follow, which ask for nothing we lack, and which must be refused by name rather than ignored. */
import { closestName } from '../../closest-name.ts';
import type { Problem } from '../../errors.ts';

/** Parameters that reach the connection, with the environment variable that gives them too (manual, "Environment Variables"). */
const followed: Readonly<Record<string, string | null>> = {
  service: 'PGSERVICE',
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
  application_name: 'PGAPPNAME',
  fallback_application_name: null,
  sslmode: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslpassword: null,
  sslrootcert: 'PGSSLROOTCERT',
  sslcrl: 'PGSSLCRL',
  sslsni: 'PGSSLSNI',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
};

interface Unsupported {
  readonly variable: string | null;
  /** Values that ask for nothing we do not do anyway; the empty value always does. */
  readonly harmless: readonly string[] | 'any';
  readonly hint: string;
}

const remove = 'remove it';

/** Known to libpq, not followed here. A value that asks for protection or another protocol is refused: ignoring it would be a lie. */
const unsupported: Readonly<Record<string, Unsupported>> = {
  channel_binding: {
    variable: 'PGCHANNELBINDING',
    harmless: ['disable', 'prefer'],
    hint: 'use sslmode=verify-full, which proves the server as well',
  },
  require_auth: {
    variable: 'PGREQUIREAUTH',
    harmless: [],
    hint: 'use sslmode=verify-full, so that no other server is asked',
  },
  requirepeer: { variable: 'PGREQUIREPEER', harmless: [], hint: remove },
  gssencmode: { variable: 'PGGSSENCMODE', harmless: ['disable', 'prefer'], hint: 'use TLS: sslmode=require' },
  krbsrvname: { variable: 'PGKRBSRVNAME', harmless: 'any', hint: remove },
  gsslib: { variable: 'PGGSSLIB', harmless: 'any', hint: remove },
  gssdelegation: { variable: 'PGGSSDELEGATION', harmless: ['0'], hint: remove },
  sslcompression: { variable: 'PGSSLCOMPRESSION', harmless: 'any', hint: remove },
  sslcertmode: {
    variable: 'PGSSLCERTMODE',
    harmless: ['allow'],
    hint: 'name the certificate with sslcert, or an absent file to send none',
  },
  sslcrldir: { variable: 'PGSSLCRLDIR', harmless: [], hint: 'put the revocation lists into one file: sslcrl=FILE' },
  sslkeylogfile: { variable: null, harmless: [], hint: remove },
  load_balance_hosts: {
    variable: 'PGLOADBALANCEHOSTS',
    harmless: ['disable'],
    hint: 'a migration has one server: name the primary, or use target_session_attrs',
  },
  replication: { variable: null, harmless: ['false', 'off', 'no', '0'], hint: remove },
  client_encoding: {
    variable: null,
    harmless: ['UTF8', 'utf8', 'UTF-8', 'utf-8', 'unicode', 'auto'],
    hint: 'files are read as UTF-8 and sent as UTF-8; remove it',
  },
  min_protocol_version: {
    variable: 'PGMINPROTOCOLVERSION',
    harmless: ['3.0'],
    hint: 'version 3.0 of the protocol is used; remove it',
  },
  max_protocol_version: { variable: 'PGMAXPROTOCOLVERSION', harmless: 'any', hint: remove },
  scram_client_key: { variable: null, harmless: [], hint: 'give the password instead' },
  scram_server_key: { variable: null, harmless: [], hint: 'give the password instead' },
  oauth_issuer: { variable: null, harmless: [], hint: 'use a role that signs in with a password or a certificate' },
  oauth_client_id: { variable: null, harmless: [], hint: 'use a role that signs in with a password or a certificate' },
  oauth_client_secret: {
    variable: null,
    harmless: [],
    hint: 'use a role that signs in with a password or a certificate',
  },
  oauth_scope: { variable: null, harmless: [], hint: 'use a role that signs in with a password or a certificate' },
};

/** Tuning of TCP that Node cannot pass on; the connection is the same without it. */
const withoutEffect = ['keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'];

/** Prisma's parameters about its own pool, which a migration does not have. */
const ignoredOfPrisma = [
  'connection_limit',
  'pool_timeout',
  'pgbouncer',
  'statement_cache_size',
  'socket_timeout',
  'single_use_connections',
];

/** Parameters of other clients that do ask for something, with libpq's way to say it. */
const foreign: Readonly<Record<string, string>> = {
  schema: 'it is a parameter of Prisma; set the path with options=-c%20search_path=NAME',
  currentSchema: 'it is a parameter of JDBC; set the path with options=-c%20search_path=NAME',
  sslaccept:
    'it is a parameter of Prisma; write sslmode=verify-full for strict, sslmode=require for accept_invalid_certs',
  sslidentity: 'it is a parameter of Prisma; use sslcert and sslkey',
  ssl: 'write sslmode=disable, prefer, require, verify-ca or verify-full',
  uselibpqcompat: "libpq's meaning of sslmode is the one used here; remove it",
};

const knownParameters: readonly string[] = [
  ...Object.keys(followed),
  ...Object.keys(unsupported),
  'keepalives',
  ...withoutEffect,
];

/** The environment variables libpq reads, by parameter. */
export const parameterVariables: readonly (readonly [parameter: string, variable: string])[] = [
  ...Object.entries(followed),
  ...Object.entries(unsupported).map(([name, { variable }]) => [name, variable] as const),
].flatMap(([name, variable]) => (variable === null ? [] : [[name, variable] as const]));

export interface Verdict {
  readonly problem?: Problem;
  readonly warning?: Problem;
}

/** How a parameter is called in messages; what is not a word may be a piece of a password. */
export function shownParameter(name: string, origin: string): string {
  return `${/^[a-z][\w.-]{0,40}$/i.test(name) ? name : '"…"'} in ${origin}`;
}

/** What is to be said about one parameter before its value is used; `shown` is how it is called in the message. */
export function judgeParameter(name: string, value: string, shown: string): Verdict {
  if (Object.hasOwn(followed, name) || name === 'keepalives') return {};
  const row = Object.hasOwn(unsupported, name) ? unsupported[name] : undefined;
  if (row) {
    if (value === '' || row.harmless === 'any' || row.harmless.includes(value)) return {};
    return { problem: { message: `${shown} asks for something this program does not do`, hint: row.hint } };
  }
  if (withoutEffect.includes(name)) return { warning: { message: `${shown} has no effect here` } };
  if (ignoredOfPrisma.includes(name)) {
    return { warning: { message: `${shown} is a parameter of Prisma's pool and has no effect here` } };
  }
  // Prisma writes it into every URL it generates, and PostgreSQL's own path leads there too.
  if (name === 'schema' && value === 'public') return {};
  const hint = Object.hasOwn(foreign, name) ? foreign[name] : undefined;
  if (hint !== undefined) return { problem: { message: `${shown} is not a parameter of PostgreSQL`, hint } };
  const meant = closestName(name, knownParameters);
  return {
    problem: {
      message: `${shown} is not a parameter of PostgreSQL`,
      hint: meant === null ? 'the manual lists them under "Parameter Key Words"' : `did you mean ${meant}?`,
    },
  };
}
