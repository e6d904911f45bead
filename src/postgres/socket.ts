/** Opens the socket a session runs over, by libpq's meaning of sslmode; the driver gets it connected and encrypted. */
import { once } from 'node:events';
import { type NetConnectOpts, connect as netConnect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isAddress } from './address.ts';
import type { ConnectionParameters, HostParameters, SslMode } from './connection-parameters.ts';
import { explainSocketFailure, TimedOut, TlsRefused } from './socket-failure.ts';
import { type TlsOptions, tlsOptions } from './tls-options.ts';

/** One way to try to reach one server. */
export interface Attempt {
  readonly host: HostParameters;
  readonly encrypted: boolean;
}

export interface OpenedSocket {
  readonly socket: Socket | TLSSocket;
  /** False also where TLS was asked for under sslmode=prefer and the server has none. */
  readonly encrypted: boolean;
}

/** SSLRequest (manual, "Message Formats"): its length and its code. */
export const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** libpq: encryption means nothing on a Unix socket, whatever sslmode says. */
const isUnixSocket = ({ host, hostaddr }: HostParameters) => hostaddr === null && host.startsWith('/');

const attemptsOf: Readonly<Record<SslMode, readonly boolean[]>> = {
  disable: [false],
  allow: [false, true],
  prefer: [true, false],
  require: [true],
  'verify-ca': [true],
  'verify-full': [true],
};

/**
 * What to try, in order. The second attempt at a host under `allow` and `prefer` is for the server's own refusal
 * (pg_hba.conf may accept one kind of connection alone); `openSocket` itself already falls back where TLS fails.
 */
export function connectionAttempts({
  hosts,
  sslmode,
}: Pick<ConnectionParameters, 'hosts' | 'sslmode'>): readonly Attempt[] {
  const kinds = attemptsOf[sslmode];
  return hosts.flatMap((host) => (isUnixSocket(host) ? [false] : kinds).map((encrypted) => ({ host, encrypted })));
}

/**
 * Where to go on after an attempt failed, or null. A host that could not be reached is not tried again without TLS;
 * after a refusal by the server only the other kind of connection to the same host is (libpq).
 * `encrypted` is that of the socket that was opened, null where none was.
 */
export function nextAttempt(attempts: readonly Attempt[], index: number, encrypted: boolean | null): number | null {
  const failed = attempts[index];
  const next = attempts.findIndex(({ host, encrypted: kind }, candidate) => {
    if (candidate <= index) return false;
    return encrypted === null ? host !== failed?.host : host === failed?.host && kind !== encrypted;
  });
  return next < 0 ? null : next;
}

/** The options of every address of a host, in the order of the resolver, which follows /etc/gai.conf as libpq does. */
async function endpointsOf(host: HostParameters): Promise<NetConnectOpts[]> {
  if (isUnixSocket(host)) return [{ path: `${host.host}/.s.PGSQL.${host.port}` }];
  const numeric = host.hostaddr ?? (isAddress(host.host) ? host.host : null);
  if (numeric !== null) return [{ host: numeric, port: host.port }];
  const { lookup } = await import('node:dns/promises');
  // One address after the other: Node's own racing drops an address that needs more than 250 ms.
  const addresses = await lookup(host.host, { all: true, verbatim: true });
  return addresses.map(({ address, family }) => ({ host: address, port: host.port, family, autoSelectFamily: false }));
}

/** The server's answer to SSLRequest: `S`, `N`, or `E` from one that does not know the question. */
function answerTo(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      socket.off('readable', read).off('end', closed).off('close', closed).off('error', failed);
      finish();
    };
    const closed = () => settle(() => reject(new TlsRefused('closed')));
    const failed = (error: Error) => settle(() => reject(error));
    const read = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      const answer = String.fromCharCode(chunk[0] ?? 0);
      // More than the one byte came from someone in between, to be taken for encrypted later (CVE-2021-23222).
      if (chunk.length > 1 && answer !== 'E') settle(() => reject(new TlsRefused('unexpected-bytes')));
      else settle(() => resolve(answer));
    };
    // "readable" rather than "data" with a pause: the driver's own listener must find the stream as it was.
    socket.on('readable', read).on('end', closed).on('close', closed).on('error', failed);
  });
}

/** One attempt under way: what a deadline has to destroy, and how far it came. */
interface Opening {
  outermost: Socket | null;
  reached: boolean;
}

async function handshake(opening: Opening, socket: Socket, options: TlsOptions, direct: boolean): Promise<TLSSocket> {
  const { beginTls } = await import('./handshake.ts');
  // Its end was told while that was being loaded.
  if (socket.destroyed) throw socket.errored ?? new TlsRefused('closed');
  const secured = beginTls(socket, options);
  opening.outermost = secured;
  secured.on('error', ignore);
  await once(secured, 'secureConnect');
  if (direct && secured.alpnProtocol !== 'postgresql') throw new TlsRefused('no-alpn');
  return secured;
}

/** An error between the return of `openSocket` and the driver's first listener must not end the program; the driver sees the close. */
function ignore(): void {}

async function openOne(
  opening: Opening,
  endpoint: NetConnectOpts,
  options: TlsOptions | null,
  parameters: ConnectionParameters,
): Promise<OpenedSocket> {
  const socket = netConnect({ ...endpoint, noDelay: true });
  opening.outermost = socket;
  socket.on('error', ignore);
  await once(socket, 'connect');
  opening.reached = true;
  if (options === null) return { socket, encrypted: false };
  const direct = parameters.sslnegotiation === 'direct';
  if (!direct) {
    socket.write(sslRequest);
    const answer = await answerTo(socket);
    if (answer === 'N' && parameters.sslmode === 'prefer') return { socket, encrypted: false };
    if (answer !== 'S') throw new TlsRefused(answer === 'N' ? 'no-tls' : 'not-understood');
  }
  return { socket: await handshake(opening, socket, options, direct), encrypted: true };
}

/** libpq: under prefer a failed handshake means to go on without TLS, but not a peer that is slow or tries to slip bytes in. */
function mayGoOnWithoutTls(error: unknown, { sslmode }: ConnectionParameters): boolean {
  const forged = error instanceof TlsRefused && error.refusal === 'unexpected-bytes';
  return sslmode === 'prefer' && !forged && !(error instanceof TimedOut);
}

/** One address, within the time for one; a failure leaves no socket behind. */
async function openWithinTime(
  endpoint: NetConnectOpts,
  options: TlsOptions | null,
  parameters: ConnectionParameters,
): Promise<OpenedSocket> {
  const opening: Opening = { outermost: null, reached: false };
  const milliseconds = parameters.connectTimeoutMs;
  const expire = () => opening.outermost?.destroy(new TimedOut(milliseconds));
  const deadline = milliseconds > 0 ? setTimeout(expire, milliseconds) : undefined;
  try {
    return await openOne(opening, endpoint, options, parameters);
  } catch (error) {
    opening.outermost?.destroy();
    if (!opening.reached || options === null || !mayGoOnWithoutTls(error, parameters)) throw error;
  } finally {
    clearTimeout(deadline);
  }
  return openWithinTime(endpoint, null, parameters);
}

/**
 * Connects to a host, address by address, and starts TLS when the attempt asks for it. `connectTimeoutMs` counts
 * for each address up to the end of the handshake.
 * @throws {PulseError} `connection-failed`, with host and port named.
 */
export async function openSocket(
  host: HostParameters,
  parameters: ConnectionParameters,
  attempt: { readonly encrypted: boolean },
): Promise<OpenedSocket> {
  try {
    const options = attempt.encrypted && !isUnixSocket(host) ? await tlsOptions(host, parameters) : null;
    let failure: unknown;
    for (const endpoint of await endpointsOf(host)) {
      try {
        return await openWithinTime(endpoint, options, parameters);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  } catch (error) {
    throw explainSocketFailure(error, host, parameters);
  }
}
