import type { NetConnectOpts, Socket } from 'node:net';
import { PulseError } from '../errors.ts';
import { heard } from './answers.ts';
import { requestCancel } from './cancel.ts';
import type { ConnectionParameters, HostParameters } from './connection-parameters.ts';
import { openWire, type Wire } from './driver.ts';
import { StatementError, serverReport } from './errors.ts';
import { quoteIdentifier } from './identifiers.ts';
import { boundedBegin, noIdleSessionLimit } from './idle-limit.ts';
import { ping } from './ping.ts';
import type { ServerNotice, Session } from './session.ts';
import { type Attempt, connectionAttempts, nextAttempt, type OpenedSocket, openSocket } from './socket.ts';
import { explainSocketFailure, TimedOut } from './socket-failure.ts';

export interface ConnectOptions {
  readonly onNotice?: (notice: ServerNotice) => void;
}

/**
 * Opens a session, trying hosts and encryption in libpq's order.
 * @throws {PulseError} `connection-failed`, `authentication-failed`, `database-missing`, `permission-denied`.
 */
export async function connect(parameters: ConnectionParameters, options: ConnectOptions = {}): Promise<Session> {
  const attempts = connectionAttempts(parameters);
  const failures: unknown[] = [];
  let index: number | null = 0;
  while (index !== null) {
    const attempt = attempts[index];
    if (attempt === undefined) break;
    const tried = await tryAttempt(attempt, parameters, options);
    if ('session' in tried) return tried.session;
    failures.push(tried.failure);
    index = tried.encrypted === 'hopeless' ? null : nextAttempt(attempts, index, tried.encrypted);
  }
  // A server that answered and refused says more than one that could not be reached.
  throw (
    failures.find((failure) => failure instanceof PulseError && failure.code !== 'connection-failed') ?? failures[0]
  );
}

/** `encrypted` says where to go on: the kind that the server refused, or null for another host. */
type Tried =
  | { readonly session: Session }
  | { readonly failure: unknown; readonly encrypted: boolean | null | 'hopeless' };

async function tryAttempt(attempt: Attempt, parameters: ConnectionParameters, options: ConnectOptions): Promise<Tried> {
  let opened: OpenedSocket;
  try {
    opened = await openSocket(attempt.host, parameters, attempt);
  } catch (failure) {
    return { failure, encrypted: null };
  }
  try {
    return { session: await openSession(opened, attempt, parameters, options) };
  } catch (failure) {
    if (!(failure instanceof PulseError)) return { failure, encrypted: 'hopeless' };
    return { failure, encrypted: failure.code === 'connection-failed' ? null : opened.encrypted };
  }
}

async function openSession(
  { socket, encrypted }: OpenedSocket,
  attempt: Attempt,
  parameters: ConnectionParameters,
  options: ConnectOptions,
): Promise<Session> {
  const wire = openWire(socket, attempt.host, parameters, options.onNotice ?? (() => {}));
  const deadline = startDeadline(socket, parameters.connectTimeoutMs);
  try {
    const [facts] = await wire.send(
      `SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS number,
              pg_catalog.current_setting('server_version') AS text,
              pg_catalog.pg_backend_pid() AS pid,
              pg_catalog.array_to_string(pg_catalog.current_schemas(true), ',') AS path`,
    );
    refusePlacesBeforeCatalog(String(facts?.['path']), attempt, parameters);
    // Sure in all modes of a pooler and without false alarms (measured): it invents the key it greets with.
    const pooled = Number(facts?.['pid']) !== wire.backend()?.pid;
    if (pooled) await refuseStatementPooling(wire, attempt, parameters);
    const session = sessionOf(wire, {
      socket,
      attempt,
      parameters,
      encrypted,
      pooled,
      serverVersion: Number(facts?.['number']),
      serverVersionText: String(facts?.['text']),
    });
    if (await serves(session, parameters)) return session;
    const message = `${target(attempt.host, parameters)} is not a ${parameters.targetSessionAttrs} server`;
    const hint = 'connect to another host, or change target_session_attrs';
    throw new PulseError('connection-failed', message, { hint });
  } catch (error) {
    socket.destroy();
    if (deadline.isOver() && error instanceof PulseError && error.code === 'connection-lost')
      throw explainSocketFailure(new TimedOut(parameters.connectTimeoutMs), attempt.host, parameters);
    throw refusal(error, attempt.host, parameters, wire);
  } finally {
    deadline.clear();
  }
}

/** A pooler that gives every statement another server process cannot carry a transaction, and so no migration. */
async function refuseStatementPooling(wire: Wire, attempt: Attempt, parameters: ConnectionParameters): Promise<void> {
  try {
    await wire.send(boundedBegin());
    await wire.send('ROLLBACK');
  } catch (cause) {
    // Without a word from the other side it is a loss like any other.
    if (!(cause instanceof StatementError) && !(cause instanceof PulseError && cause.server)) throw cause;
    throw new PulseError(
      'pooler-refused',
      `${target(attempt.host, parameters)}: the pooler in between does not allow transactions (statement pooling)`,
      { cause },
    );
  }
}

/**
 * Unless it is named in search_path, pg_catalog is searched first. Behind another schema, whoever may create there has
 * operators of theirs taken for the server's own, with our rights, in all that we ask.
 */
function refusePlacesBeforeCatalog(path: string, { host }: Attempt, parameters: ConnectionParameters): void {
  // No function or operator is ever looked for in a temporary schema.
  const first = path.split(',').find((schema) => !/^pg_(?:toast_)?temp_\d+$/.test(schema));
  if (first === 'pg_catalog') return;
  const role = quoteIdentifier(parameters.user);
  throw new PulseError(
    'search-path-refused',
    `${target(host, parameters)}: search_path has ${first} before pg_catalog, so that an operator made there would be taken for the server's own`,
    {
      hint: `leave pg_catalog out, it comes first then: psql -c '\\drds' shows where search_path is set; ALTER ROLE ${role} SET search_path = …`,
    },
  );
}

/** The driver's own connect timeout does not cover the time after the socket is open. */
function startDeadline(socket: Socket, milliseconds: number): { isOver(): boolean; clear(): void } {
  let over = false;
  const expire = () => {
    over = true;
    socket.destroy();
  };
  const timer = milliseconds > 0 ? setTimeout(expire, milliseconds) : undefined;
  return { isOver: () => over, clear: () => clearTimeout(timer) };
}

function refusal(error: unknown, host: HostParameters, parameters: ConnectionParameters, wire: Wire): unknown {
  const where = target(host, parameters);
  if (error instanceof PulseError && error.code === 'connection-lost') {
    const said =
      error.cause instanceof StatementError
        ? error.cause.message
        : 'the server closed the connection before it was ready';
    return new PulseError('connection-failed', `${where}: ${said}`, {
      cause: error,
    });
  }
  if (!(error instanceof StatementError)) return error;
  const details = { server: serverReport(error), cause: error };
  if (error.sqlstate.startsWith('28')) {
    const missing = wire.passwordWasAsked() && host.password === null;
    return new PulseError(
      'authentication-failed',
      `${where}: ${missing ? 'the server asks for a password and none was given' : error.message}`,
      {
        ...details,
        ...(missing && { hint: 'set PGPASSWORD, or add a line to .pgpass' }),
      },
    );
  }
  if (error.sqlstate === '3D000') {
    return new PulseError('database-missing', `${where}: ${error.message}`, {
      ...details,
      hint: `create it: createdb ${parameters.database}, or correct the name`,
    });
  }
  if (error.sqlstate === '42501') {
    return new PulseError('permission-denied', `${where}: ${error.message}`, {
      ...details,
      hint: `GRANT CONNECT ON DATABASE ${quoteIdentifier(parameters.database)} TO ${quoteIdentifier(parameters.user)};`,
    });
  }
  return new PulseError('connection-failed', `${where}: ${error.message}`, details);
}

/** target_session_attrs, by the server's own words rather than by trust in the host list. */
async function serves(session: Session, parameters: ConnectionParameters): Promise<boolean> {
  const wanted = parameters.targetSessionAttrs;
  if (wanted === 'any' || wanted === 'prefer-standby') return true;
  const [row] = await session.rows<{ standby: boolean; read_only: string }>({
    text: `SELECT pg_catalog.pg_is_in_recovery() AS standby, pg_catalog.current_setting('transaction_read_only') AS read_only`,
  });
  const standby = row?.standby === true;
  const readOnly = standby || row?.read_only === 'on';
  return { 'read-write': !readOnly, 'read-only': readOnly, primary: !standby, standby }[wanted];
}

function target(host: HostParameters, parameters: ConnectionParameters): string {
  return `${host.host.startsWith('/') ? host.host : `${host.host}:${host.port}`}/${parameters.database} as ${parameters.user}`;
}

interface SessionFacts {
  readonly socket: Socket;
  readonly attempt: Attempt;
  readonly parameters: ConnectionParameters;
  readonly encrypted: boolean;
  readonly pooled: boolean;
  readonly serverVersion: number;
  readonly serverVersionText: string;
}

/** The very address the session is connected to: after a failover the name may belong to another server already. */
function peerOf({ socket, attempt: { host } }: SessionFacts): NetConnectOpts {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return { path: `${host.host}/.s.PGSQL.${host.port}` };
  return { host: remoteAddress, port: remotePort };
}

/** A session that is not used at once takes its own measures against a limit on idle ones. */
const firstMessageWithinMs = 20;

function sessionOf(wire: Wire, facts: SessionFacts): Session {
  let begun = facts.pooled;
  // Goes out together with the first message, and is not waited for: only a connection that is lost can refuse it.
  const begin = () => {
    clearTimeout(soon);
    if (!begun) void heard(wire.send(noIdleSessionLimit));
    begun = true;
  };
  const soon = setTimeout(begin, firstMessageWithinMs).unref();
  const send = (text: string) => {
    begin();
    return wire.send(text);
  };
  const cancel = () => requestCancel(facts.attempt, facts.parameters, wire.backend());
  const close = () => {
    clearTimeout(soon);
    return wire.end();
  };
  return {
    backendPid: wire.backend()?.pid ?? 0,
    serverVersion: facts.serverVersion,
    serverVersionText: facts.serverVersionText,
    encrypted: facts.encrypted,
    pooled: facts.pooled,
    target: target(facts.attempt.host, facts.parameters),
    rows: async <Row extends object>(statement: { readonly text: string }) => (await send(statement.text)) as Row[],
    written: async ({ text }) => (await send(text)).count ?? 0,
    run: async (text) => {
      await send(text);
    },
    copyIn: (statement, rows) => {
      begin();
      return wire.copyIn(statement, rows);
    },
    copyOut: async function* (statement) {
      begin();
      let isWhole = false;
      try {
        yield* wire.copyOut(statement);
        isWhole = true;
      } finally {
        // Else the server sends the rest of it, for whatever comes next to wait for.
        if (!isWhole) await cancel();
      }
    },
    cancel,
    bytesHeard: () => facts.socket.bytesRead,
    answers: (milliseconds) => ping(peerOf(facts), milliseconds),
    abandon: (reason) => wire.abandon(reason),
    close,
    [Symbol.asyncDispose]: close,
  };
}
