import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { PulseError } from '../errors.ts';
import type { ConnectionParameters, HostParameters } from './connection-parameters.ts';
import { isServerError, StatementError, serverReport } from './errors.ts';
import type { ServerNotice } from './session.ts';

/** One connection through postgres.js, which is never allowed to open a second one by itself. */
export interface Wire {
  /** Sends one message of the simple protocol; the rows of its last statement that returned any. */
  send(text: string): Promise<Rows>;
  copyIn(statement: string, rows: Iterable<string | Buffer> | AsyncIterable<Buffer>): Promise<void>;
  copyOut(statement: string): AsyncIterable<Buffer>;
  /** Destroys the socket; what is under way fails with this reason. */
  abandon(reason: PulseError): void;
  /** Ends the session; the socket is gone afterwards. */
  end(): Promise<void>;
  /** From BackendKeyData; null before the first message. The secret is what a cancel request needs. */
  readonly backend: () => BackendKey | null;
  /** Where the password was asked for: decides what a refusal means. */
  readonly passwordWasAsked: () => boolean;
}

export interface BackendKey {
  readonly pid: number;
  readonly secret: number;
}

type Row = Record<string, unknown>;

/** `count`: of the command tag, where that has one. */
type Rows = Row[] & { readonly count?: number | null };

/**
 * Starts the protocol on a socket that is connected (and encrypted, where it is to be) already.
 * Settings of the driver that matter, all measured: `fetch_types` would cost a query, the default `max_lifetime`
 * swaps the session silently after half an hour, the default `max_pipeline` serialises after 100 messages, and
 * without `onnotice` every NOTICE goes to standard output.
 */
export function openWire(
  socket: Socket,
  host: HostParameters,
  parameters: ConnectionParameters,
  onNotice: (notice: ServerNotice) => void,
): Wire {
  let handedOut = false;
  let asked = false;
  let backend: BackendKey | null = null;
  let given: PulseError | null = null;
  const reason = () => given ?? farewell(socket);
  const orLost = endingWith(socket, reason);

  const driver = postgres({
    host: host.host,
    port: host.port,
    user: parameters.user,
    database: parameters.database,
    // The driver would open a new session after a loss, without the locks, settings and transaction of the old one.
    socket: () => {
      if (handedOut) throw new PulseError('connection-lost', 'the connection to the server was lost');
      handedOut = true;
      return socket;
    },
    pass: () => {
      asked = true;
      return host.password?.reveal() ?? '';
    },
    ssl: false,
    max: 1,
    prepare: false,
    fetch_types: false,
    max_lifetime: null,
    idle_timeout: 0,
    // Seconds of silence after which the peer is asked whether it is there: firewalls forget a connection on which a
    // long statement says nothing, some within a minute, which is the driver's own default.
    keep_alive: 10,
    connect_timeout: 0,
    max_pipeline: Number.POSITIVE_INFINITY,
    onnotice: (notice: { severity?: string; message?: string }) =>
      onNotice({ severity: notice.severity ?? 'NOTICE', message: notice.message ?? '' }),
    connection: {
      application_name: parameters.applicationName,
      ...(parameters.options !== null && { options: parameters.options }),
    },
  } as unknown as postgres.Options<Record<string, never>>);

  const query = async (text: string): Promise<unknown> => {
    const pending = driver.unsafe(text).simple();
    try {
      const result = await orLost(pending);
      backend ??= (result as { state?: BackendKey }).state ?? null;
      return result;
    } catch (error) {
      // The driver names the same loss in words of its own.
      throw reason() ?? translate(error, (pending as { completed?: number }).completed ?? 0);
    }
  };

  return {
    send: async (text) => {
      const result = await query(text);
      if (isWritable(result)) {
        // A COPY the splitter did not see would wait for data for ever.
        result.destroy(new Error('no data follows'));
        throw new PulseError('migration-failed', 'a COPY … FROM stdin without its data lines was sent', {
          hint: 'put the data lines and a line with \\. behind the statement',
        });
      }
      return lastRows(result);
    },
    copyIn: async (statement, rows) => {
      const stream = await query(statement);
      if (!isWritable(stream)) throw new TypeError('the server did not ask for COPY data');
      try {
        await orLost(pipeline(Readable.from(rows), stream));
      } catch (error) {
        throw reason() ?? translate(error);
      }
    },
    copyOut: async function* (statement) {
      const stream = await query(statement);
      if (!isReadable(stream)) throw new TypeError('the server gave no COPY data');
      try {
        yield* partsOf(stream, orLost);
      } catch (error) {
        throw reason() ?? translate(error);
      }
    },
    abandon: (reason) => {
      given = reason;
      socket.destroy();
    },
    end: async () => {
      await orLost(driver.end({ timeout: 1 })).catch(() => {});
      socket.destroy();
    },
    backend: () => backend,
    passwordWasAsked: () => asked,
  };
}

/** What the server said when it ended the session, whatever came behind it: the mended driver leaves it there. */
function farewell(socket: Socket & { readonly lastWords?: unknown }): PulseError | null {
  const said = socket.lastWords === undefined ? null : translate(socket.lastWords);
  return said instanceof PulseError ? said : null;
}

/** Gives what it is given, or fails when the socket closes: after a loss the driver may leave a query pending for ever (measured). */
function endingWith(
  socket: Socket,
  reason: () => PulseError | null,
): <Result>(given: PromiseLike<Result>) => Promise<Result> {
  const waiting = new Set<(loss: PulseError) => void>();
  let closed = false;
  const loss = () => reason() ?? new PulseError('connection-lost', 'the connection to the server was lost');
  socket.once('close', () => {
    // The driver hears of the close as well and may have the server's own last words (57P01): let it speak first.
    setImmediate(() => {
      closed = true;
      for (const fail of waiting) fail(loss());
    });
  });
  return (given) =>
    new Promise((resolve, reject) => {
      const settle = () => waiting.delete(reject);
      waiting.add(reject);
      given.then(resolve, reject).then(settle, settle);
      if (closed) reject(loss());
    });
}

function isWritable(value: unknown): value is NodeJS.WritableStream & { destroy(error?: Error): void } {
  return typeof value === 'object' && value !== null && 'write' in value && 'end' in value;
}

function isReadable(value: unknown): value is Readable {
  return value instanceof Readable;
}

/** What has come, in one piece each time: the server sends a message for each row. */
async function* partsOf(
  stream: Readable,
  orLost: <Result>(given: PromiseLike<Result>) => Promise<Result>,
): AsyncGenerator<Buffer> {
  let ended = false;
  let failure: unknown = null;
  let wake = () => {};
  stream.on('readable', () => wake());
  stream.once('end', () => {
    ended = true;
    wake();
  });
  stream.once('error', (error) => {
    failure = error;
    wake();
  });
  const woken = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  try {
    for (;;) {
      const part = stream.read() as Buffer | null;
      if (part !== null) yield part;
      else if (failure !== null) throw failure;
      else if (ended) return;
      else await orLost(woken());
    }
  } finally {
    // What nobody takes any more has to go by, or the answer to the next message would never come.
    stream.removeAllListeners('readable').resume();
  }
}

function lastRows(result: unknown): Rows {
  if (!Array.isArray(result)) return [];
  const last: unknown = result.at(-1);
  return Array.isArray(last) ? (last as Rows) : (result as Rows);
}

/** admin_shutdown, crash_shutdown, cannot_connect_now, and the timeouts of idle transactions, idle sessions and transactions. */
const endOfSession = new Set(['57P01', '57P02', '57P03', '25P03', '57P05', '25P04']);

/**
 * A pooler whose own connection to the server is gone says so in an error of class 08 ("server conn crashed?"), as if
 * the statement had failed, and hangs up. The server itself always tells which routine of its source an error is from.
 */
function isPoolersFarewell(error: Readonly<Record<string, unknown>>, { sqlstate }: StatementError): boolean {
  return sqlstate.startsWith('08') && error['routine'] === undefined;
}

/** Errors of the driver carry the whole query and its parameters: only the server's words go further. */
function translate(error: unknown, completed = 0): unknown {
  if (isServerError(error)) {
    const refusal = new StatementError(error, completed);
    // A function may raise any SQLSTATE it likes; the severity is the server's own, in English whatever its language.
    const byServer = endOfSession.has(refusal.sqlstate) && error['severity'] !== 'ERROR';
    if (!byServer && !isPoolersFarewell(error, refusal)) return refusal;
    return new PulseError('connection-lost', `the server ended the connection: ${refusal.message}`, {
      server: serverReport(refusal),
      cause: refusal,
    });
  }
  if (error instanceof PulseError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string' && /^(CONNECTION_|CONNECT_|ECONN|EPIPE|ETIMEDOUT|ENOTCONN)/.test(code)) {
    return new PulseError('connection-lost', 'the connection to the server was lost', { cause: error });
  }
  return error;
}
