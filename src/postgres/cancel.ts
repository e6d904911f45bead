import { once } from 'node:events';
import type { ConnectionParameters } from './connection-parameters.ts';
import type { BackendKey } from './driver.ts';
import { type Attempt, openSocket } from './socket.ts';

/** CancelRequest (manual, "Message Formats"): a connection of its own, encrypted like the one it is for. */
const cancelRequestCode = 80877102;

/** Whoever does not answer within this time does not any more, milliseconds. */
const answerMs = 5000;

/**
 * Asks the server to cancel what a backend is doing. The server answers by closing the connection, whether it did or
 * not; the cancelled statement itself tells. Never throws: there is nothing a caller could do about it.
 */
export async function requestCancel(
  attempt: Attempt,
  parameters: ConnectionParameters,
  backend: BackendKey | null,
): Promise<void> {
  if (backend === null) return;
  try {
    const { socket } = await openSocket(attempt.host, { ...parameters, connectTimeoutMs: answerMs }, attempt);
    const message = Buffer.alloc(16);
    message.writeInt32BE(16, 0);
    message.writeInt32BE(cancelRequestCode, 4);
    message.writeUInt32BE(backend.pid, 8);
    message.writeUInt32BE(backend.secret, 12);
    const closed = once(socket, 'close');
    const deadline = setTimeout(() => socket.destroy(), answerMs);
    socket.resume();
    // Not ended from this side: PgBouncer 1.18 dies of a client that hangs up before it has passed the request on.
    socket.write(message);
    await closed.finally(() => clearTimeout(deadline));
  } catch {
    // The server is gone or refuses connections: then the session itself fails, which its own caller sees.
  }
}
