import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const quiet = { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => undefined };

/** The parent of a backend of this machine, or null when the backend runs elsewhere or cannot be looked at. */
function postmasterOf(backend) {
  try {
    if (!readFileSync(`/proc/${backend}/cmdline`, 'latin1').startsWith('postgres')) return null;
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${backend}/status`, 'latin1'))?.[1]);
  } catch {
    return null;
  }
}

/** Makes and drops databases on a server; all that are left go with `close`. */
export async function openDatabases(serverUrl) {
  const maintenance = postgres(serverUrl, quiet);
  const [{ version, backend }] = await maintenance`
    SELECT pg_catalog.current_setting('server_version') AS version, pg_catalog.pg_backend_pid() AS backend`;
  const prefix = `pulse_bench_${randomBytes(3).toString('hex')}`;
  const open = new Set();
  const drop = async ({ name }) => {
    await maintenance`DROP DATABASE IF EXISTS ${maintenance(name)} WITH (FORCE)`;
    open.delete(name);
  };
  let made = 0;
  return {
    url: serverUrl,
    version,
    postmaster: postmasterOf(backend),
    /** An empty database: `{ name, url }`. What was written before is on the disk first, so that nobody pays for it later. */
    async create() {
      made += 1;
      const name = `${prefix}_${made}`;
      await maintenance`CREATE DATABASE ${maintenance(name)} TEMPLATE template0`;
      open.add(name);
      await maintenance`CHECKPOINT`;
      const url = new URL(serverUrl);
      url.pathname = `/${name}`;
      return { name, url: url.href };
    },
    drop,
    /** The one value a query answers with. */
    async value({ url }, query) {
      const sql = postgres(url, quiet);
      try {
        return Object.values((await sql.unsafe(query))[0])[0];
      } finally {
        await sql.end();
      }
    },
    async close() {
      for (const name of open) await drop({ name });
      await maintenance.end();
    },
  };
}
