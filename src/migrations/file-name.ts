import type { Direction } from '../events.ts';
import { holdsControls } from '../visible.ts';

/** What a file's name says: a migration, a near miss with its cure, an SQL file of another kind, or nothing of ours. */
export type FileName =
  | { readonly kind: 'migration'; readonly version: string; readonly name: string; readonly direction: Direction }
  | { readonly kind: 'problem'; readonly message: string; readonly hint: string }
  | { readonly kind: 'other-sql' }
  | { readonly kind: 'not-sql' };

const migrationName = /^(\d{1,20})_(.+)\.(up|down)\.sql$/;

/** Names people give that are not quite ours, tried in this order; `rename` is what to call the file instead. */
const nearMisses: readonly {
  readonly pattern: RegExp;
  readonly message: string;
  readonly rename: (...parts: readonly string[]) => string;
}[] = [
  {
    pattern: /^(\d{21,})/,
    message: 'a version has at most 20 digits',
    rename: () => 'rename it with a shorter number',
  },
  {
    pattern: /^(\d{1,20})[_.-]*[._-](up|down)\.sql$/i,
    message: 'the name has no words between version and direction',
    rename: (version, direction) => `rename it to ${version}_NAME.${direction?.toLowerCase()}.sql`,
  },
  {
    pattern: /^(\d{1,20})[_ -](.+?)[._-](up|down)\.sql$/i,
    message: 'the name is almost that of a migration, VERSION_NAME.up.sql or VERSION_NAME.down.sql in lower case',
    rename: (version, name, direction) => `rename it to ${version}_${name}.${direction?.toLowerCase()}.sql`,
  },
  {
    pattern: /^[vub](\d[\d._]*)__(.+)\.sql$/i,
    message: 'this is how Flyway names a migration; here a version is digits only',
    // V1.10 after V1.9 has no number of its own here, so only plain ones are spelled out.
    rename: (version, name) =>
      `rename it to ${/^\d+$/.test(version ?? '') ? version : 'VERSION'}_${name}.up.sql and write the .down.sql`,
  },
  {
    pattern: /^r__(.+)\.sql$/i,
    message: 'this is how Flyway names a script that runs whenever it changes; there are none here',
    rename: () => 'put what it does into a migration, or move the file out of the folder',
  },
  {
    pattern: /^(\d{1,20})[_ -](.+)\.sql$/i,
    message: 'the name does not say its direction',
    rename: (version, name) => `rename it to ${version}_${name}.up.sql and write ${version}_${name}.down.sql`,
  },
  {
    pattern: /^[a-z]?\d.*\.sql$/i,
    message: 'the version must be digits only, followed by an underscore',
    rename: () => 'rename it to VERSION_NAME.up.sql or VERSION_NAME.down.sql',
  },
  {
    pattern: /\.(up|down)\.sql$/i,
    message: 'the name has no version',
    rename: () => 'rename it to VERSION_NAME.up.sql or VERSION_NAME.down.sql, VERSION being a number',
  },
];

/** Reads a file name. Nothing that ends in `.sql` is passed over: it is a migration, a problem or reported as another file. */
export function readFileName(fileName: string): FileName {
  if (holdsControls(fileName) && /\.sql$/i.test(fileName)) {
    return {
      kind: 'problem',
      message: 'the name holds a control character, such as a tab or the end of a line',
      hint: 'rename it to VERSION_NAME.up.sql or VERSION_NAME.down.sql, without that character',
    };
  }
  const [, version, name, direction] = migrationName.exec(fileName) ?? [];
  if (version !== undefined && name !== undefined && (direction === 'up' || direction === 'down')) {
    return { kind: 'migration', version, name, direction };
  }
  if (!/\.sql$/i.test(fileName)) return { kind: 'not-sql' };
  // Hidden files are left by editors and archivers (`.#0001_x.up.sql`, `._0001_x.up.sql`); nobody means them to run.
  if (fileName.startsWith('.')) return { kind: 'other-sql' };
  for (const { pattern, message, rename } of nearMisses) {
    const match = pattern.exec(fileName);
    if (match) return { kind: 'problem', message, hint: rename(...match.slice(1)) };
  }
  return { kind: 'other-sql' };
}
