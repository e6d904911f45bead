/** What a failed connection means, in words for the person who has to mend it. */
import { PulseError } from '../errors.ts';
import type { ConnectionParameters, HostParameters } from './connection-parameters.ts';

export type TlsRefusal = 'no-tls' | 'not-understood' | 'unexpected-bytes' | 'closed' | 'no-alpn';

/** The server, or whoever answers in its place, does not do TLS as asked. */
export class TlsRefused extends Error {
  readonly refusal: TlsRefusal;
  constructor(refusal: TlsRefusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

/** The private key of the client certificate cannot be opened with the password there is. */
export class KeyLocked extends Error {}

/** The time for one address is over. */
export class TimedOut extends Error {
  readonly milliseconds: number;
  constructor(milliseconds: number) {
    super('timed out');
    this.milliseconds = milliseconds;
  }
}

interface Explanation {
  readonly what: string;
  readonly hint: string;
}

const row = (what: string, hint: string): Explanation => ({ what, hint });

const refusals: Readonly<Record<TlsRefusal, Explanation>> = {
  'no-tls': row(
    'the server has no TLS',
    'switch TLS on in the server (ssl = on), or allow a plain connection with sslmode=prefer',
  ),
  'not-understood': row(
    'what answers there is not a PostgreSQL server, or one that refuses before TLS begins',
    'check host and port; the log of the server tells more',
  ),
  'unexpected-bytes': row(
    'unencrypted bytes came before TLS began: someone may be in between',
    'connect over a network you trust and look at what stands between here and the server',
  ),
  closed: row(
    'the connection was closed before TLS began',
    'check that host and port are those of a PostgreSQL server',
  ),
  'no-alpn': row(
    'the server does not take direct TLS for PostgreSQL',
    'remove sslnegotiation=direct: it needs PostgreSQL 17',
  ),
};

const network: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: row(
    'connection refused',
    'start the server, or correct host and port; to use one of our own: --embedded',
  ),
  ENOTFOUND: row(
    'there is no host of that name',
    'correct the host; a name that only a VPN or container network knows needs that network',
  ),
  EAI_AGAIN: row(
    'the name of the host cannot be looked up now',
    'check the network and its name server, then run the command again',
  ),
  ETIMEDOUT: row('no answer', 'check that the host is up and that no firewall stands between here and the port'),
  EHOSTUNREACH: row('the host cannot be reached', 'check the network'),
  ENETUNREACH: row('the network cannot be reached', 'check the network'),
  ECONNRESET: row(
    'the connection was closed by the other side',
    'check that host and port are those of a PostgreSQL server',
  ),
  EPIPE: row(
    'the connection was closed by the other side',
    'check that host and port are those of a PostgreSQL server',
  ),
};

const socketFile: Readonly<Record<string, Explanation>> = {
  ENOENT: row(
    'there is no such Unix socket',
    'start the server, or name it: --database-url postgresql://user@host/name; to use one of our own: --embedded',
  ),
  ENOTDIR: row('the directory of the Unix socket is not a directory', 'correct the host'),
  ECONNREFUSED: row('no server listens on the Unix socket', 'start the server'),
  EACCES: row(
    'this user may not open the Unix socket',
    'run the command as a user who may, or connect by TCP with -h localhost as in psql',
  ),
};

const authority = 'name the certificate of its authority with sslrootcert=FILE';
const lockedKey = row(
  'the private key of the client certificate is encrypted, and its password is missing or wrong',
  'give it with sslpassword=…',
);
const certificates: Readonly<Record<string, Explanation>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: row(
    "the server's certificate is signed by itself and not among the trusted ones",
    authority,
  ),
  SELF_SIGNED_CERT_IN_CHAIN: row("the server's certificate comes from an authority that is not trusted", authority),
  UNABLE_TO_GET_ISSUER_CERT: row("the authority of the server's certificate is not known", authority),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: row("the authority of the server's certificate is not known", authority),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: row(
    "the server's certificate comes from an authority that is not trusted",
    authority,
  ),
  CERT_SIGNATURE_FAILURE: row("the server's certificate does not carry the signature of its authority", authority),
  CERT_HAS_EXPIRED: row("the server's certificate has expired", 'renew it on the server'),
  CERT_NOT_YET_VALID: row("the server's certificate is not valid yet", 'check the clocks of both machines'),
  CERT_REVOKED: row("the server's certificate was revoked", 'give the server a new one'),
  UNABLE_TO_GET_CRL: row(
    "no revocation list fits the server's certificate",
    'put the list of its authority into the file of sslcrl',
  ),
  CRL_HAS_EXPIRED: row('the revocation list has expired', 'fetch a new one into the file of sslcrl'),
  ERR_TLS_CERT_ALTNAME_INVALID: row(
    "the server's certificate is not for this host",
    'connect by a name the certificate holds, or have one made for this host; sslmode=verify-ca does without the name',
  ),
};

/** `localhost:5432`, `[::1]:5432` or `/var/run/postgresql/.s.PGSQL.5432`. */
function serverName({ host, hostaddr, port }: HostParameters): string {
  if (hostaddr === null && host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  const name = host.includes(':') ? `[${host}]` : host;
  return hostaddr === null || hostaddr === host ? `${name}:${port}` : `${name}:${port} (${hostaddr})`;
}

function explain(error: unknown, host: HostParameters): Explanation | null {
  if (error instanceof TlsRefused) return refusals[error.refusal];
  if (error instanceof KeyLocked) return lockedKey;
  if (error instanceof TimedOut) {
    return row(
      `no answer within ${error.milliseconds / 1000} s`,
      'check that the host is up and that no firewall stands between; connect_timeout=SECONDS gives it longer',
    );
  }
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  const { code } = error;
  const unix = host.hostaddr === null && host.host.startsWith('/');
  const known = (unix ? socketFile[code] : undefined) ?? network[code] ?? certificates[code];
  if (known) return known;
  const isTls = code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code.startsWith('ERR_OSSL_');
  if (isTls)
    return row(
      `TLS failed (${code})`,
      'check TLS versions and certificates of both sides; the log of the server tells more',
    );
  return /^E[A-Z]+$/.test(code) ? row(`the system says ${code}`, 'check host and port') : null;
}

/** The failure as a `connection-failed`, with the server named and a hint that fits; a bug passes through as it is. */
export function explainSocketFailure(
  error: unknown,
  host: HostParameters,
  { sslmode }: Pick<ConnectionParameters, 'sslmode'>,
): unknown {
  if (error instanceof PulseError) return error;
  const explanation = explain(error, host);
  if (explanation === null) return error;
  const mode = error instanceof TlsRefused || explanation.what.includes('certificate') ? ` (sslmode=${sslmode})` : '';
  return new PulseError('connection-failed', `cannot connect to ${serverName(host)}: ${explanation.what}${mode}`, {
    hint: explanation.hint,
    cause: error,
  });
}
