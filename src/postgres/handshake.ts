/** TLS over a socket that is connected. A file of its own, since Node's TLS is worth loading only where a server has it. */
import { createPrivateKey } from 'node:crypto';
import type { Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { KeyLocked } from './socket-failure.ts';
import type { TlsOptions } from './tls-options.ts';

/**
 * Begins the handshake; its end is the event `secureConnect`.
 * @throws {KeyLocked}
 */
export function beginTls(socket: Socket, { certifiedHost, ...options }: TlsOptions): TLSSocket {
  refuseLockedKey(options);
  return tlsConnect({
    ...options,
    socket,
    // Node hands in "localhost" where a ready socket is given, and would accept a certificate for that name.
    checkServerIdentity: (_name, certificate) =>
      certifiedHost === null ? undefined : checkServerIdentity(certifiedHost, certificate),
  });
}

/**
 * To be asked before TLS begins: one wrong password in 256 gives bytes that look decrypted, and OpenSSL then complains of
 * something else. No password at all is tried as an empty one.
 */
function refuseLockedKey({ key, passphrase }: ConnectionOptions): void {
  if (!Buffer.isBuffer(key) || !encryptedKey.test(key.toString('latin1'))) return;
  try {
    if (passphrase !== undefined) createPrivateKey({ key, passphrase });
  } catch (cause) {
    throw new KeyLocked('the password is wrong', { cause });
  }
  if (passphrase === undefined) throw new KeyLocked('there is no password');
}

/** PKCS #8, and what OpenSSL wrote before. */
const encryptedKey = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
