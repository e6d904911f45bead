/** Puts a connection together: the string above its service file above PG* variables, each value with where it came from. */
import { join } from 'node:path';
import type { Problem } from '../../errors.ts';
import { readRegularFile } from '../../regular-file.ts';
import type { Surroundings } from '../settings.ts';
import { parseConnectionText } from './connection-text.ts';
import { judgeParameter, parameterVariables, shownParameter } from './parameters.ts';
import { readService } from './service-file.ts';

interface MergedValue {
  readonly value: string;
  /** How the value is called in a message: `sslmode in DATABASE_URL`, `PGSSLMODE`. */
  readonly shown: string;
}

export interface Merged {
  readonly values: ReadonlyMap<string, MergedValue>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Merging {
  readonly values: Map<string, MergedValue>;
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** Where PostgreSQL's packages keep the service file of the whole machine: Debian, Red Hat, and a build of one's own. */
const systemDirectories = ['/etc/postgresql-common', '/etc/sysconfig/pgsql', '/usr/local/pgsql/etc'];

function add(merging: Merging, name: string, value: string, shown: string): void {
  if (merging.values.has(name)) return;
  const { problem, warning } = judgeParameter(name, value, shown);
  if (problem) merging.problems.push(problem);
  if (warning) merging.warnings.push(warning);
  merging.values.set(name, { value, shown });
}

async function textOf(path: string): Promise<string | null> {
  try {
    return (await readRegularFile(path)).toString('utf8');
  } catch {
    return null;
  }
}

/** libpq: PGSERVICEFILE alone where it is set, else the user's file; a service found in neither is looked up in the machine's. */
async function addService(merging: Merging, service: MergedValue, around: Surroundings): Promise<void> {
  const named = around.env['PGSERVICEFILE'];
  const own = named ?? (around.homeDirectory === null ? null : join(around.homeDirectory, '.pg_service.conf'));
  const system = around.env['PGSYSCONFDIR'];
  const directories = system === undefined ? systemDirectories : [system];
  const paths = [...(own === null ? [] : [own]), ...directories.map((directory) => join(directory, 'pg_service.conf'))];
  for (const path of paths) {
    const text = await textOf(path);
    if (text === null) {
      if (path !== named) continue;
      merging.problems.push({
        message: `${path} (PGSERVICEFILE) cannot be read`,
        hint: 'correct PGSERVICEFILE or unset it',
      });
      return;
    }
    const { values, problems } = readService(text, service.value, path);
    merging.problems.push(...problems);
    if (values === null) continue;
    for (const [name, value] of values)
      add(merging, name, value, shownParameter(name, `service "${service.value}" (${path})`));
    return;
  }
  merging.problems.push({
    message: `there is no service "${service.value}" (${service.shown})`,
    hint: `it was looked for in ${paths.join(', ')}`,
  });
}

/** All values that were given, with the problems of all of them at once. `origin` names the string in messages. */
export async function mergeConnection(text: string, origin: string, around: Surroundings): Promise<Merged> {
  const merging: Merging = { values: new Map(), problems: [], warnings: [] };
  const parsed = parseConnectionText(text);
  for (const { message, ...rest } of parsed.problems)
    merging.problems.push({ ...rest, message: `${origin}: ${message}` });
  for (const [name, value] of parsed.values) add(merging, name, value, shownParameter(name, origin));
  const fromVariable = around.env['PGSERVICE'];
  const service =
    merging.values.get('service') ??
    (fromVariable === undefined ? undefined : { value: fromVariable, shown: 'PGSERVICE' });
  if (service && service.value !== '') await addService(merging, service, around);
  for (const [name, variable] of parameterVariables) {
    const value = around.env[variable];
    if (value !== undefined) add(merging, name, value, variable);
  }
  // Older than sslmode, and still read by libpq where sslmode is not given.
  if (around.env['PGREQUIRESSL']?.startsWith('1')) add(merging, 'sslmode', 'require', 'PGREQUIRESSL');
  return merging;
}
