import { type ConnectionParameters, Secret, type SslMode } from '../../postgres/connection-parameters.ts';
import type { ValueReader } from './value-reader.ts';

const sslModes: readonly SslMode[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const strongModes: readonly SslMode[] = ['require', 'verify-ca', 'verify-full'];

type TlsParameters = Pick<
  ConnectionParameters,
  | 'sslmode'
  | 'sslnegotiation'
  | 'sslrootcert'
  | 'sslcert'
  | 'sslkey'
  | 'sslpassword'
  | 'sslcrl'
  | 'sslsni'
  | 'sslMinProtocolVersion'
  | 'sslMaxProtocolVersion'
>;

/** The TLS settings, with the combinations refused that libpq refuses because they promise more than they do. */
export function resolveTls(reader: ValueReader, cwd: string): TlsParameters {
  const system = reader.text('sslrootcert') === 'system';
  const sslmode = reader.choice('sslmode', sslModes, system ? 'verify-full' : 'prefer');
  const sslnegotiation = reader.choice('sslnegotiation', ['postgres', 'direct'], 'postgres');
  // Anybody can have a certificate of a public authority: only the name in it proves anything.
  if (system && sslmode !== 'verify-full') {
    reader.problems.push({
      message: `sslrootcert=system is too weak with sslmode=${sslmode}`,
      hint: 'use sslmode=verify-full',
    });
  }
  if (sslnegotiation === 'direct' && !strongModes.includes(sslmode)) {
    reader.problems.push({
      message: `sslnegotiation=direct cannot go with sslmode=${sslmode}`,
      hint: `use sslmode=${strongModes.join(' or ')}`,
    });
  }
  const least = reader.tlsVersion('ssl_min_protocol_version');
  const most = reader.tlsVersion('ssl_max_protocol_version');
  if (least !== null && most !== null && least > most) {
    reader.problems.push({
      message: 'ssl_min_protocol_version is above ssl_max_protocol_version',
      hint: 'exchange or remove them',
    });
  }
  const sslkey = reader.text('sslkey');
  if (sslkey !== null && /^[^/\\]{2,}:/.test(sslkey)) {
    reader.problems.push({
      message: `${reader.shown('sslkey')} names a key in an OpenSSL engine, which is not supported`,
      hint: 'give the path of a file in PEM form',
    });
  }
  const sslpassword = reader.text('sslpassword');
  return {
    sslmode,
    sslnegotiation,
    sslrootcert: system ? 'system' : reader.path('sslrootcert', cwd),
    sslcert: reader.path('sslcert', cwd),
    sslkey: reader.path('sslkey', cwd),
    sslpassword: sslpassword === null ? null : new Secret(sslpassword),
    sslcrl: reader.path('sslcrl', cwd),
    sslsni: reader.choice('sslsni', ['0', '1'], '1') === '1',
    sslMinProtocolVersion: least,
    sslMaxProtocolVersion: most,
  };
}
