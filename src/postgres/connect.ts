import type { Socket } from 'node:net';
import { PulseError } from '../errors.ts';
import { requestCancel } from './cancel.ts';
import type { ConnectionParameters, HostParameters } from './connection-parameters.ts';
import { openWire, type Wire } from './driver.ts';
import { StatementError, serverReport } from './errors.ts';
import type { ServerNotice, Session } from './session.ts';
import { type Attempt, connectionAttempts, openSocket } from './socket.ts';

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
  for (const [index, attempt] of attempts.entries()) {
    try {
      const session = await openSession(attempt, parameters, options);
      if (await serves(session, parameters)) return session;
      await session.close();
      failures.push(
        new PulseError(
          'connection-failed',
          `${target(attempt.host, parameters)} is not a ${parameters.targetSessionAttrs} server`,
          {
            hint: 'connect to another host, or change target_session_attrs',
          },
        ),
      );
    } catch (error) {
      failures.push(error);
      if (!mayTryNext(error, attempt, attempts[index + 1])) break;
    }
  }
  // A server that answered and refused says more than one that could not be reached.
  throw (
    failures.find((failure) => failure instanceof PulseError && failure.code !== 'connection-failed') ?? failures[0]
  );
}

/** After a refusal by the server itself only the other kind of encryption on the same host is worth a try (libpq). */
function mayTryNext(error: unknown, attempt: Attempt, next: Attempt | undefined): boolean {
  if (next === undefined || !(error instanceof PulseError)) return false;
  if (error.code === 'connection-failed') return true;
  return next.host === attempt.host && error.server?.sqlstate === '28000';
}

async function openSession(
  attempt: Attempt,
  parameters: ConnectionParameters,
  options: ConnectOptions,
): Promise<Session> {
  const { socket, encrypted } = await openSocket(attempt.host, parameters, attempt);
  const wire = openWire(socket, attempt.host, parameters, options.onNotice ?? (() => {}));
  const deadline = startDeadline(socket, parameters.connectTimeoutMs);
  try {
    const [facts] = await wire.send(
      `SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS number,
              pg_catalog.current_setting('server_version') AS text`,
    );
    return sessionOf(wire, {
      attempt,
      parameters,
      encrypted,
      serverVersion: Number(facts?.['number']),
      serverVersionText: String(facts?.['text']),
    });
  } catch (error) {
    socket.destroy();
    throw refusal(error, attempt.host, parameters, wire);
  } finally {
    clearTimeout(deadline);
  }
}

/** The driver's own connect timeout does not cover the time after the socket is open. */
function startDeadline(socket: Socket, milliseconds: number): NodeJS.Timeout | undefined {
  if (milliseconds <= 0) return undefined;
  return setTimeout(() => socket.destroy(), milliseconds);
}

function refusal(error: unknown, host: HostParameters, parameters: ConnectionParameters, wire: Wire): unknown {
  const where = target(host, parameters);
  if (error instanceof PulseError && error.code === 'connection-lost') {
    return new PulseError('connection-failed', `${where}: the server closed the connection before it was ready`, {
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
      hint: `GRANT CONNECT ON DATABASE "${parameters.database}" TO "${parameters.user}";`,
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
  readonly attempt: Attempt;
  readonly parameters: ConnectionParameters;
  readonly encrypted: boolean;
  readonly serverVersion: number;
  readonly serverVersionText: string;
}

function sessionOf(wire: Wire, facts: SessionFacts): Session {
  const close = () => wire.end();
  return {
    backendPid: wire.backend()?.pid ?? 0,
    serverVersion: facts.serverVersion,
    serverVersionText: facts.serverVersionText,
    encrypted: facts.encrypted,
    target: target(facts.attempt.host, facts.parameters),
    rows: async <Row extends object>(statement: { readonly text: string }) =>
      (await wire.send(statement.text)) as Row[],
    run: async (text) => {
      await wire.send(text);
    },
    copyIn: (statement, data) => wire.copyIn(statement, data),
    cancel: () => requestCancel(facts.attempt, facts.parameters, wire.backend()),
    close,
    [Symbol.asyncDispose]: close,
  };
}
