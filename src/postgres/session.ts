import type { PulseError } from '../errors.ts';
import type { Sql } from './sql.ts';

/** A NOTICE or WARNING of the server. */
export interface ServerNotice {
  readonly severity: string;
  readonly message: string;
}

/** One connection to one backend, for as long as it lives. It never reconnects: a new backend would have lost locks, settings and transaction. */
export interface Session extends AsyncDisposable {
  /** The backend's process id as the server announced it at start-up (behind a pooler this may be another's). */
  readonly backendPid: number;
  /** True behind a pooler: the server process that answers is not the one that greeted. */
  readonly pooled: boolean;
  /** `server_version_num`: 150018. */
  readonly serverVersion: number;
  /** As the server spells it: `15.18 (Debian 15.18-0+deb12u1)`. */
  readonly serverVersionText: string;
  readonly encrypted: boolean;
  /** Where it is connected, without secrets: `localhost:5432/pulse as anna`. */
  readonly target: string;
  /**
   * Runs one or several statements as one message of the simple protocol; the rows of the last one.
   * @throws {StatementError} when the server refuses, {PulseError} `connection-lost` when the connection ends.
   */
  rows<Row extends object = Record<string, unknown>>(statement: Sql): Promise<Row[]>;
  /** The same for statements of which the last one writes: the number of rows that it wrote, by its command tag. */
  written(statement: Sql): Promise<number>;
  /** Runs text as it is (a user's file): any number of statements in one message. Throws as `rows` does. */
  run(text: string): Promise<void>;
  /** Runs one `COPY … FROM stdin` and sends it `rows` part by part, each when the one before is on its way. Throws as `rows` does, and what `rows` throws. */
  copyIn(statement: string, rows: Iterable<string | Buffer> | AsyncIterable<Buffer>): Promise<void>;
  /** Runs one `COPY … TO stdout` and gives its data part by part, no faster than they are taken: all of them have to be. Throws as `rows` does. */
  copyOut(statement: string): AsyncIterable<Buffer>;
  /** Asks the server, over a second connection, to cancel what this backend is doing. Never throws. */
  cancel(): Promise<void>;
  /** Bytes that came from the server so far. */
  bytesHeard(): number;
  /** Whether the address of this session answers a question on a connection of its own within so many milliseconds. */
  answers(milliseconds: number): Promise<boolean>;
  /** Gives the session up at once: the statement under way fails with this reason. */
  abandon(reason: PulseError): void;
  /** Ends the session in good order. Never throws, also when the connection is gone already. */
  close(): Promise<void>;
}
