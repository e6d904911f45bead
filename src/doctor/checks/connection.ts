import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

interface Connected {
  readonly pid: number;
  readonly address: string | null;
  readonly tls: string | null;
}

export const connection: Check = {
  id: 'connection',
  question: 'Which server, database and role is this, and is the way there encrypted?',
  why: 'A migration on the wrong database, or over a line that others can read, is the most expensive kind of success.',
  beforeUp: false,
  async run({ session }) {
    const [row] = await session.rows<Connected>(
      sql`SELECT pg_catalog.pg_backend_pid() AS pid,
                 pg_catalog.host(pg_catalog.inet_server_addr()) AS address,
                 (SELECT s.version || ', ' || s.cipher FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_catalog.pg_backend_pid() AND s.ssl) AS tls`,
    );
    const parts = [session.target];
    if (session.encrypted) parts.push(row?.tls ? `encrypted (${row.tls})` : 'encrypted');
    else parts.push(row?.address === null ? 'over a Unix socket' : 'not encrypted');
    // The pid announced at the start is the pooler's own, not that of the backend behind it.
    if (row !== undefined && row.pid !== session.backendPid) parts.push('through a connection pooler');
    return fine(parts.join(', '));
  },
};
