/** libpq's TLS settings as Node's options: which files count, what is verified, what is sent. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { PulseError } from '../errors.ts';
import { NotAFile, readRegularFile } from '../regular-file.ts';
import { isAddress } from './address.ts';
import type { ConnectionParameters, HostParameters } from './connection-parameters.ts';

/** What Node wants for a handshake, and whom the certificate has to name; null for anybody. */
export interface TlsOptions extends ConnectionOptions {
  readonly certifiedHost: string | null;
}

/** Where systems keep the authorities they trust: Debian, Red Hat, SUSE, Alpine and macOS. */
const systemAuthorities = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const failed = (message: string, hint: string, cause?: unknown) =>
  new PulseError('connection-failed', message, { hint, cause });

/** The text of a file, or null where there is none. */
async function readIfThere(path: string, parameter: string): Promise<Buffer | null> {
  try {
    return await readRegularFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    const why = error instanceof NotAFile ? `it is ${error.kind}` : String(code);
    throw failed(`${path} (${parameter}) cannot be read: ${why}`, `run: ls -l ${path}`, error);
  }
}

/** The file given, or the one of ~/.postgresql; `given` is false for the latter. */
function placeOf(parameters: ConnectionParameters, path: string | null, name: string) {
  const directory = parameters.certificateDirectory;
  const usual = directory === null ? null : join(directory, name);
  return { path: path ?? usual, given: path !== null };
}

interface Authorities {
  /** Null verifies nothing. */
  readonly ca: Buffer | 'bundled' | null;
  readonly crl: Buffer | null;
}

async function systemAuthority(): Promise<Buffer | 'bundled'> {
  for (const path of systemAuthorities) {
    const text = await readIfThere(path, 'sslrootcert=system');
    if (text !== null) return text;
  }
  return 'bundled';
}

/**
 * libpq verifies the chain whenever a root certificate is there, also under `require`. It passes over a file that is
 * named and missing unless the mode says verify; we refuse, since a misspelt path must not switch protection off.
 */
async function authoritiesOf(parameters: ConnectionParameters): Promise<Authorities> {
  const { sslmode, sslrootcert } = parameters;
  if (sslrootcert === 'system') return { ca: await systemAuthority(), crl: null };
  const { path, given } = placeOf(parameters, sslrootcert, 'root.crt');
  const ca = path === null ? null : await readIfThere(path, 'sslrootcert');
  const mustVerify = sslmode === 'verify-ca' || sslmode === 'verify-full';
  if (ca === null && (mustVerify || (given && sslmode === 'require'))) {
    throw failed(
      path === null ? `sslmode=${sslmode} needs a root certificate` : `the root certificate ${path} does not exist`,
      'name the certificate of the authority with sslrootcert=FILE, or use sslrootcert=system',
    );
  }
  const list = placeOf(parameters, parameters.sslcrl, 'root.crl');
  const crl = list.path === null || ca === null ? null : await readIfThere(list.path, 'sslcrl');
  if (ca !== null && crl === null && list.given)
    throw failed(`the revocation list ${list.path} does not exist`, 'correct sslcrl or remove it');
  return { ca, crl };
}

/** libpq: a key others can read is not a secret; root's own may be readable by its group. */
function checkKeyRights(path: string): void {
  const { mode, uid } = statSync(path);
  if ((mode & (uid === 0 ? 0o037 : 0o077)) === 0) return;
  throw failed(`the private key ${path} can be read by others`, `run: chmod 600 ${path}`);
}

async function clientCertificate(parameters: ConnectionParameters): Promise<ConnectionOptions> {
  const certificate = placeOf(parameters, parameters.sslcert, 'postgresql.crt');
  const cert = certificate.path === null ? null : await readIfThere(certificate.path, 'sslcert');
  // libpq: no certificate file, nothing to send; the server says so when it wants one.
  if (cert === null) return {};
  const { path } = placeOf(parameters, parameters.sslkey, 'postgresql.key');
  const key = path === null ? null : await readIfThere(path, 'sslkey');
  if (path === null || key === null) {
    throw failed(
      `there is a client certificate (${certificate.path}) but not its private key (${path ?? 'sslkey'})`,
      'name the key with sslkey=FILE',
    );
  }
  checkKeyRights(path);
  return { cert, key, ...(parameters.sslpassword && { passphrase: parameters.sslpassword.reveal() }) };
}

const tlsVersion = (version: string | null) => version as SecureVersion | null;

/**
 * The options for a handshake with `host`.
 * @throws {PulseError} `connection-failed` for certificate and key files that are missing, unreadable or open to others.
 */
export async function tlsOptions(host: HostParameters, parameters: ConnectionParameters): Promise<TlsOptions> {
  const { ca, crl } = await authoritiesOf(parameters);
  const least = tlsVersion(parameters.sslMinProtocolVersion);
  const most = tlsVersion(parameters.sslMaxProtocolVersion);
  return {
    ...(await clientCertificate(parameters)),
    ...(ca !== null && ca !== 'bundled' && { ca }),
    ...(crl !== null && { crl }),
    minVersion: least ?? 'TLSv1.2',
    ...(most !== null && { maxVersion: most }),
    rejectUnauthorized: ca !== null,
    certifiedHost: parameters.sslmode === 'verify-full' ? host.host : null,
    // A name alone: the standard for SNI has no place for addresses.
    ...(parameters.sslsni && !isAddress(host.host) && { servername: host.host }),
    ...(parameters.sslnegotiation === 'direct' && { ALPNProtocols: ['postgresql'] }),
  };
}
