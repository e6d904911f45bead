/** Which database a command works on, and where that was said. */
import type { Location, Problem } from '../errors.ts';
import { resolveConnection } from './connection/resolve.ts';
import type { FileValue } from './file-values.ts';
import type { DatabaseChoice, FlagInput, Surroundings } from './settings.ts';

/** The places that can name the database; the file's values are those that passed its checks. */
export interface DatabaseSources {
  readonly flags: FlagInput;
  readonly around: Surroundings;
  /** From the section of the environment that was chosen. */
  readonly section: FileValue | null;
  readonly top: FileValue | null;
}

export interface ChosenDatabase {
  /** Null when there are problems. */
  readonly database: DatabaseChoice | null;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Source {
  readonly text: string;
  readonly origin: string;
  /** Present when the text comes from the file, where `${NAME}` stands for an environment variable. */
  readonly location?: Location;
}

/** The origin of a value in the file, as shown to people: `.pulsemigraterc:3`. */
export function fileOrigin({ file, line }: Location): string {
  return line === undefined ? file : `${file}:${line}`;
}

const fromFile = ({ raw, location }: FileValue): Source => ({
  text: String(raw),
  origin: fileOrigin(location),
  location,
});

/**
 * The first that says anything, in this order: --embedded, --database-url, the section of the chosen environment,
 * DATABASE_URL, the top of the file. The section stands above DATABASE_URL because `--env production` is typed on
 * purpose, and a DATABASE_URL left over in the shell must not send it elsewhere.
 */
function firstSource({ flags, around, section, top }: DatabaseSources): Source | null {
  if (flags.embedded) return { text: 'embedded', origin: '--embedded' };
  if (flags.databaseUrl !== undefined) return { text: flags.databaseUrl, origin: '--database-url' };
  if (section) return fromFile(section);
  const url = around.env['DATABASE_URL'];
  if (url !== undefined && url.trim() !== '') return { text: url, origin: 'DATABASE_URL' };
  return top && fromFile(top);
}

/** Puts environment variables in for `${NAME}`; `$${` is a plain `${`. */
function substitute(text: string, env: Surroundings['env']): { text: string; missing: readonly string[] } {
  const missing: string[] = [];
  const substituted = text.replaceAll(/\$\$\{|\$\{([^}]*)\}/g, (whole, name: string | undefined) => {
    if (whole === '$${') return '${';
    const value = name === undefined ? undefined : env[name];
    if (value === undefined || value === '') missing.push(name ?? '');
    return value ?? '';
  });
  return { text: substituted, missing };
}

function unsetVariable(name: string, { origin, location }: Source): Problem {
  const named = /^[A-Za-z_]\w*$/.test(name);
  return {
    message: named
      ? `the environment variable ${name}, used in database (${origin}), is not set`
      : `\${…} in database (${origin}) holds no name of a variable`,
    hint: named ? `set it: export ${name}=…, or write $\${ for a plain \${` : `write \${NAME}, or $\${ for a plain \${`,
    ...(location && { location }),
  };
}

/** What to think of where the value came from, apart from the value. */
function sourceWarnings({ around }: DatabaseSources, source: Source, hasPassword: boolean): Problem[] {
  const warnings: Problem[] = [];
  if (source.origin === '--database-url' && hasPassword) {
    warnings.push({
      message:
        'the password in --database-url can be read by everybody on this machine in the list of running programs',
      hint: 'use DATABASE_URL, PGPASSWORD or .pgpass',
    });
  }
  if (source.location && around.env['DATABASE_URL']?.trim()) {
    warnings.push({
      message: `DATABASE_URL is set, but the environment's own database is used (${source.origin})`,
      hint: 'unset DATABASE_URL, or use --database-url to name another database',
    });
  }
  return warnings;
}

/** Chooses and resolves the database; nothing said at all means libpq's own defaults, as with psql. */
export async function chooseDatabase(sources: DatabaseSources): Promise<ChosenDatabase> {
  const variables = ['PGSERVICE', 'PGHOST', 'PGHOSTADDR', 'PGPORT', 'PGDATABASE', 'PGUSER'].filter(
    (name) => sources.around.env[name],
  );
  const source = firstSource(sources) ?? {
    text: '',
    origin: variables.length > 0 ? variables.join(', ') : 'default of libpq',
  };
  const { location, origin } = source;
  const { text, missing } = location ? substitute(source.text, sources.around.env) : { text: source.text, missing: [] };
  if (missing.length > 0) {
    return { database: null, problems: missing.map((name) => unsetVariable(name, source)), warnings: [] };
  }
  if (text.trim() === 'embedded') {
    return { database: { kind: 'embedded', origin }, problems: [], warnings: sourceWarnings(sources, source, false) };
  }
  const resolved = await resolveConnection(text, location ? `database (${origin})` : origin, sources.around);
  const problems = resolved.problems.map((problem) => ({ ...(location && { location }), ...problem }));
  if (resolved.parameters === null) return { database: null, problems, warnings: resolved.warnings };
  const hasPassword = source.origin === '--database-url' && /:[^/@]*@|password\s*=/.test(text);
  return {
    database: { kind: 'server', parameters: resolved.parameters, origin },
    problems: [],
    warnings: [...sourceWarnings(sources, source, hasPassword), ...resolved.warnings],
  };
}
