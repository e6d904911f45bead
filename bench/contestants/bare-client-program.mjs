import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [directory] = process.argv.slice(2);
// As CommonJS, which starts sooner.
const postgres = createRequire(import.meta.url)('postgres');
const sql = postgres(process.env.DATABASE_URL, { max: 1, fetch_types: false });
const known = new Set((await sql`SELECT up_checksum AS sum FROM pulse_migrate.applied`.simple()).map(({ sum }) => sum));
const bytes = Buffer.alloc(65536);
let unknown = 0;
for (const name of readdirSync(directory)) {
  if (!name.endsWith('.up.sql')) continue;
  const descriptor = openSync(join(directory, name), 'r');
  const length = readSync(descriptor, bytes, 0, bytes.length, 0);
  closeSync(descriptor);
  if (!known.has(createHash('sha256').update(bytes.subarray(0, length)).digest('hex'))) unknown += 1;
}
await sql.end();
if (unknown > 0) throw new Error(`${unknown} files are not applied`);
