/** From a connection string and its surroundings to complete connection parameters, by libpq's rules and defaults. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '../../errors.ts';
import { type ConnectionParameters, type HostParameters, Secret } from '../../postgres/connection-parameters.ts';
import type { Surroundings } from '../settings.ts';
import { type Host, resolveHosts } from './hosts.ts';
import { mergeConnection } from './merge.ts';
import { findPassword } from './password-file.ts';
import { readPasswordFile } from './password-lookup.ts';
import { resolveTls } from './tls-parameters.ts';
import { ValueReader } from './value-reader.ts';

export interface ResolvedConnection {
  /** Null when there are problems. */
  readonly parameters: ConnectionParameters | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const sessionAttributes = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;

/** libpq waits for ever; a deploy that hangs at a firewall without a word is worse, so twelve seconds unless connect_timeout says otherwise. */
const defaultConnectTimeoutMs = 12_000;

/** Where the server's Unix socket is when nothing is said: by Debian's and Red Hat's packages, and by PostgreSQL's own source. */
const socketDirectories = { packaged: '/var/run/postgresql', built: '/tmp' };

function connectTimeoutMs(reader: ValueReader): number {
  const seconds = reader.seconds('connect_timeout');
  if (seconds === null) return defaultConnectTimeoutMs;
  // libpq: nothing below two seconds; zero and less is for ever.
  return seconds <= 0 ? 0 : Math.max(2, seconds) * 1_000;
}

/** NAMEDATALEN of the server, less the byte that ends the name. */
const longestNameBytes = 63;

/**
 * Other runs know our sessions by how their name begins, so what is given stands behind that: `pulse-migrate (ci)`. Cut
 * here, because the server would cut the bracket off.
 */
function applicationNameOf(given: string | null): string {
  const own = 'pulse-migrate';
  if (given === null) return own;
  if (given.startsWith(own)) return given;
  const characters = [...given.slice(0, longestNameBytes)];
  const named = () => `${own} (${characters.join('')})`;
  while (Buffer.byteLength(named()) > longestNameBytes) characters.pop();
  return named();
}

interface Person {
  readonly user: string;
  readonly database: string;
}

/** The password for each host: the one given, else what the password file says of it. */
async function withPasswords(
  hosts: readonly Host[],
  { user, database }: Person,
  reader: ValueReader,
  around: Surroundings,
): Promise<{ hosts: readonly HostParameters[]; warnings: readonly Problem[] }> {
  const given = reader.text('password');
  if (given !== null) return { hosts: hosts.map((host) => ({ ...host, password: new Secret(given) })), warnings: [] };
  const { text, warnings } = readPasswordFile(reader.text('passfile'), around);
  const passwordFor = ({ host, port }: Host): Secret | null => {
    // The manual: the default socket directory is called localhost in the password file.
    const name = Object.values(socketDirectories).includes(host) ? 'localhost' : host;
    const found = text === null ? null : findPassword(text, { host: name, port, database, user });
    return found === null ? null : new Secret(found);
  };
  return { hosts: hosts.map((host) => ({ ...host, password: passwordFor(host) })), warnings };
}

/** Resolves `text` (URL, keywords or empty); `origin` is what messages call it. Reads the service file and the password file; throws nothing. */
export async function resolveConnection(
  text: string,
  origin: string,
  around: Surroundings,
): Promise<ResolvedConnection> {
  const merged = await mergeConnection(text, origin, around);
  const reader = new ValueReader(merged);
  const tls = resolveTls(reader, around.cwd);
  const targetSessionAttrs = reader.choice('target_session_attrs', sessionAttributes, 'any');
  const timeout = connectTimeoutMs(reader);
  const texts = { host: reader.text('host'), hostaddr: reader.text('hostaddr'), port: reader.text('port') };
  const socketDirectory = existsSync(socketDirectories.packaged) ? socketDirectories.packaged : socketDirectories.built;
  const { hosts, problems } = resolveHosts(texts, socketDirectory, (parameter) => reader.shown(parameter));
  reader.problems.push(...problems);
  const user = reader.text('user') ?? around.userName;
  if (user === null) {
    reader.problems.push({
      message: 'no role is given, and the operating system has no name for this user',
      hint: 'give user=… or PGUSER',
    });
  }
  // Some servers would cut it and take us to another database, or make us another role, than the one that was meant.
  for (const name of ['user', 'dbname']) {
    if (Buffer.byteLength(reader.text(name) ?? '') <= longestNameBytes) continue;
    reader.problems.push({
      message: `${reader.shown(name)} is longer than ${longestNameBytes} bytes, where PostgreSQL cuts names`,
      hint: 'give the name as the server has it',
    });
  }
  if (user === null || reader.problems.length > 0) {
    return { parameters: null, problems: reader.problems, warnings: merged.warnings };
  }
  const database = reader.text('dbname') ?? user;
  const known = await withPasswords(hosts, { user, database }, reader, around);
  const home = around.homeDirectory;
  const parameters: ConnectionParameters = {
    hosts: known.hosts,
    user,
    database,
    ...tls,
    targetSessionAttrs,
    applicationName: applicationNameOf(reader.text('application_name') ?? reader.text('fallback_application_name')),
    options: reader.text('options'),
    connectTimeoutMs: timeout,
    certificateDirectory: home === null ? null : join(home, '.postgresql'),
  };
  return { parameters, problems: [], warnings: [...merged.warnings, ...known.warnings] };
}
