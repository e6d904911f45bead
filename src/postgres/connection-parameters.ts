/** Everything needed to reach a server, resolved by libpq's rules before the driver sees any of it. */

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** A value that must not be printed: JSON, template strings and inspection show a placeholder. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The one way to the value; search for its callers to see where a password goes. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** One server to try. A host that begins with `/` is the directory of a Unix socket. */
export interface HostParameters {
  readonly host: string;
  /** The numeric address to use instead of looking up `host`. */
  readonly hostaddr: string | null;
  readonly port: number;
  /** From the URL, PGPASSWORD or the password file, where it may differ by host. */
  readonly password: Secret | null;
}

export interface ConnectionParameters {
  /** Tried in order, as libpq does. */
  readonly hosts: readonly HostParameters[];
  readonly user: string;
  readonly database: string;
  readonly sslmode: SslMode;
  /** `direct` starts TLS without asking first (PostgreSQL 17). */
  readonly sslnegotiation: 'postgres' | 'direct';
  /** Path, `system`, or null: then the default file is used where it exists. */
  readonly sslrootcert: string | null;
  readonly sslcert: string | null;
  readonly sslkey: string | null;
  readonly sslpassword: Secret | null;
  readonly sslcrl: string | null;
  readonly sslsni: boolean;
  readonly sslMinProtocolVersion: string | null;
  readonly sslMaxProtocolVersion: string | null;
  readonly targetSessionAttrs: 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby';
  readonly applicationName: string;
  /** `options`: command-line options for the backend. */
  readonly options: string | null;
  /** Milliseconds for each host; 0 waits for ever. */
  readonly connectTimeoutMs: number;
  /** Where libpq looks for `root.crt`, `postgresql.crt` and `postgresql.key`: ~/.postgresql. Null when there is no home. */
  readonly certificateDirectory: string | null;
}
