import type { Problem } from '../../errors.ts';
import type { ConnectionText } from './connection-text.ts';

const escapes = 'write special characters in a password as percent escapes: @ is %40, / is %2F, : is %3A, % is %25';

/** Ends the reading of a URL at its first problem: what follows one is guesswork. */
class Malformed extends Error {
  readonly problem: Problem;
  constructor(message: string, hint: string = escapes) {
    super(message);
    this.problem = { message, hint };
  }
}

function decode(text: string, what: string): string {
  if (/%(?![0-9a-f]{2})/i.test(text)) {
    throw new Malformed(`${what} holds a "%" that is not followed by two hexadecimal digits`, 'write a plain % as %25');
  }
  if (text.includes('%00')) throw new Malformed(`${what} holds %00, which PostgreSQL cannot take`, 'remove the %00');
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Malformed(
      `${what} holds percent escapes that are not UTF-8`,
      'encode the text as UTF-8 before escaping it',
    );
  }
}

/** The host and port of one server, and where its text ends. */
function readHost(text: string, from: number): { host: string; port: string; end: number } {
  let at = from;
  let host: string;
  if (text[at] === '[') {
    const close = text.indexOf(']', at);
    if (close < 0) throw new Malformed('an IPv6 address lacks its "]"', 'write it as [::1]');
    host = text.slice(at + 1, close);
    if (host === '') throw new Malformed('an IPv6 address is empty', 'write it as [::1]');
    at = close + 1;
    if (at < text.length && text[at] !== ':' && text[at] !== ',') {
      throw new Malformed('something other than a port follows an IPv6 address', 'write it as [::1]:5432');
    }
  } else {
    while (at < text.length && text[at] !== ':' && text[at] !== ',') at++;
    host = text.slice(from, at);
  }
  let port = '';
  if (text[at] === ':') {
    const start = at + 1;
    for (at = start; at < text.length && text[at] !== ','; at++);
    port = text.slice(start, at);
    // Not quoted in the message: in a URL that lacks its "@" the password stands where the port is read.
    if (!/^\d*$/.test(port))
      throw new Malformed('a port is not a number', `after the host comes ":" and a number; ${escapes}`);
  }
  return { host, port, end: at };
}

function readServers(authority: string, values: Map<string, string>): void {
  const hosts: string[] = [];
  const ports: string[] = [];
  for (let at = 0; ; at++) {
    const server = readHost(authority, at);
    hosts.push(server.host);
    ports.push(server.port);
    at = server.end;
    if (at >= authority.length) break;
  }
  const host = hosts.join(',');
  const port = ports.join(',');
  if (host !== '') values.set('host', decode(host, 'the host'));
  if (port !== '') values.set('port', decode(port, 'the port'));
}

function readQuery(query: string, values: Map<string, string>): void {
  const pairs = query.split('&');
  if (pairs.at(-1) === '') pairs.pop();
  for (const pair of pairs) {
    const parts = pair.split('=');
    if (parts.length !== 2) {
      throw new Malformed(
        'a parameter after "?" is not of the form name=value',
        'separate parameters with &, and write "=" inside a value as %3D',
      );
    }
    const name = decode(parts[0] ?? '', 'the name of a parameter');
    const value = decode(parts[1] ?? '', 'the value of a parameter');
    // libpq takes this one from the URLs of JDBC.
    if (name === 'ssl' && value === 'true') values.set('sslmode', 'require');
    else values.set(name, value);
  }
}

function readParts(text: string, values: Map<string, string>): void {
  let rest = text.slice(text.indexOf('://') + 3);
  const hasUser = /^[^@/]*@/.exec(rest);
  let hasPassword = false;
  if (hasUser) {
    const userinfo = hasUser[0].slice(0, -1);
    rest = rest.slice(hasUser[0].length);
    const colon = userinfo.indexOf(':');
    hasPassword = colon >= 0;
    const user = hasPassword ? userinfo.slice(0, colon) : userinfo;
    if (user !== '') values.set('user', decode(user, 'the user'));
    if (hasPassword) values.set('password', decode(userinfo.slice(colon + 1), 'the password'));
  }
  const question = rest.indexOf('?');
  const beforeQuery = question < 0 ? rest : rest.slice(0, question);
  const slash = beforeQuery.indexOf('/');
  // libpq would read on, with a piece of the password as the host, which then stands in every message.
  if (beforeQuery.includes('@')) {
    if (hasUser) throw new Malformed(`${hasPassword ? 'the password' : 'the user or the host'} holds an unescaped "@"`);
    throw new Malformed('the password holds an unescaped "/", or the name of the database an unescaped "@"');
  }
  readServers(slash < 0 ? beforeQuery : beforeQuery.slice(0, slash), values);
  const database = slash < 0 ? '' : beforeQuery.slice(slash + 1);
  if (database !== '') values.set('dbname', decode(database, 'the name of the database'));
  if (question >= 0) readQuery(rest.slice(question + 1), values);
}

/** `postgresql://user:password@host:5432,other/name?parameter=value` by libpq's rules, with the accidents of passwords named instead of misread. */
export function parseUrl(text: string): ConnectionText {
  const values = new Map<string, string>();
  try {
    readParts(text, values);
    return { values, problems: [] };
  } catch (error) {
    if (error instanceof Malformed) return { values: new Map(), problems: [error.problem] };
    throw error;
  }
}
