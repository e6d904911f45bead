import type { ConnectionParameters, HostParameters } from '../postgres/connection-parameters.ts';

/**
 * The parameters as libpq's environment variables (manual, "Environment Variables"): the one way to hand a password to
 * a client program without showing it in the process list. `sslpassword` has no variable.
 */
export function libpqEnvironment(parameters: ConnectionParameters): Record<string, string> {
  const { hosts } = parameters;
  const password = onePassword(hosts);
  const optional: Record<string, string | null> = {
    PGHOSTADDR: hosts.some((host) => host.hostaddr !== null)
      ? hosts.map((host) => host.hostaddr ?? '').join(',')
      : null,
    PGPASSWORD: password,
    PGSSLROOTCERT: parameters.sslrootcert,
    PGSSLCERT: parameters.sslcert,
    PGSSLKEY: parameters.sslkey,
    PGSSLCRL: parameters.sslcrl,
    PGSSLMINPROTOCOLVERSION: parameters.sslMinProtocolVersion,
    PGSSLMAXPROTOCOLVERSION: parameters.sslMaxProtocolVersion,
    PGOPTIONS: parameters.options,
    // Whole seconds, and 0 would mean to wait for ever.
    PGCONNECT_TIMEOUT: parameters.connectTimeoutMs > 0 ? String(Math.ceil(parameters.connectTimeoutMs / 1000)) : null,
  };
  return {
    PGHOST: hosts.map((host) => host.host).join(','),
    PGPORT: hosts.map((host) => String(host.port)).join(','),
    PGUSER: parameters.user,
    PGDATABASE: parameters.database,
    PGSSLMODE: parameters.sslmode,
    PGSSLNEGOTIATION: parameters.sslnegotiation,
    PGSSLSNI: parameters.sslsni ? '1' : '0',
    PGTARGETSESSIONATTRS: parameters.targetSessionAttrs,
    PGAPPNAME: parameters.applicationName,
    ...Object.fromEntries(Object.entries(optional).filter((entry): entry is [string, string] => entry[1] !== null)),
  };
}

/**
 * PGPASSWORD is one for all hosts. Where hosts differ, the passwords came from the password file, which libpq reads
 * by itself.
 */
function onePassword(hosts: readonly HostParameters[]): string | null {
  const passwords = new Set(hosts.map((host) => host.password?.reveal() ?? null));
  const [only] = passwords;
  return passwords.size === 1 && only !== undefined ? only : null;
}

/** The environment of a client program: the operator's own, without PG variables that would contradict the parameters. */
export function clientEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  parameters: ConnectionParameters,
): Record<string, string> {
  const kept = Object.entries(base).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (!entry[0].startsWith('PG') || entry[0] === 'PGPASSFILE'),
  );
  return { ...Object.fromEntries(kept), ...libpqEnvironment(parameters), LC_ALL: 'C' };
}

/** Text of a client program without any password of the parameters in it. */
export function withoutPasswords(text: string, parameters: ConnectionParameters): string {
  const secrets = [...parameters.hosts.map((host) => host.password), parameters.sslpassword];
  return secrets.reduce((shown, secret) => {
    const value = secret?.reveal() ?? '';
    return value === '' ? shown : shown.replaceAll(value, '[secret]');
  }, text);
}
