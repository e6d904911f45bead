import fc from 'fast-check';
import { canary, changed, changesOf, nowhere, oddText } from './values.ts';

const encoded = encodeURIComponent(nowhere);

/** Connection strings that lead nowhere, with the canary as their password. */
const wellFormed = [
  `postgresql://anna:${canary}@${encoded}/pulse`,
  `postgres://anna:${canary}@${encoded}:5433/pulse?sslmode=require&connect_timeout=5`,
  `postgresql:///pulse?host=${encoded}&user=anna&password=${canary}`,
  `postgresql://anna:${canary}@${encoded},${encoded}:7/pulse?target_session_attrs=read-write`,
  `postgresql://anna:${canary}@127.0.0.1:1/pulse`,
  `host=${nowhere} user=anna password=${canary} dbname=pulse`,
  `host = ${nowhere} user=anna password='${canary}' dbname='my pulse' sslmode=disable`,
  `host=127.0.0.1 port=1 user=anna password=${canary} dbname=pulse connect_timeout=5`,
  `host=${nowhere} dbname=pulse user=anna application_name=x options='-c search_path=a' password=${canary}`,
] as const;

export const connection: fc.Arbitrary<string> = fc.constantFrom(...wellFormed);

/** Anything may have become of it: not to be connected with, since the host may be anything too. */
export const mangledConnection: fc.Arbitrary<string> = fc
  .tuple(
    connection,
    changesOf(
      fc.constantFrom(
        '@',
        '/',
        ':',
        '?',
        '#',
        '%',
        '%2',
        '%00',
        '%ff',
        '=',
        '&',
        ' ',
        "'",
        '\\',
        '[',
        ']',
        ',',
        '//',
        '${',
        '}',
        '"',
        '\t',
        'ü',
        'sslmode',
        'host',
        'service=x ',
        'x=1&',
        '\u001b[2J',
        '@@',
        '://',
      ),
      3,
    ),
  )
  .map(([text, changes]) => changed(text, changes));

const variables = {
  PGHOST: [nowhere, `${nowhere},${nowhere}`],
  PGPORT: ['1', '5432', '1,2', '65536', 'x', '', '-1', '+7'],
  PGUSER: ['anna', '', 'ü', 'a b'],
  PGDATABASE: ['pulse', '', 'my db', "it's"],
  PGPASSWORD: [canary],
  PGPASSFILE: ['files/pgpass', 'files/fifo', 'files', '/dev/null', 'files/none'],
  PGSERVICE: ['one', 'two', 'none', '', ']'],
  PGSERVICEFILE: ['files/services', 'files/fifo', 'files', '/dev/null', 'files/none'],
  PGSSLMODE: ['disable', 'prefer', 'verify-full', 'verifyfull', ''],
  PGSSLROOTCERT: ['files/none', 'system', 'files'],
  PGCONNECT_TIMEOUT: ['5', 'x', '99999999', ''],
  PGTARGETSESSIONATTRS: ['any', 'read-write', 'x'],
  PGOPTIONS: ['-c search_path=x', "-c 'a", '\\'],
  PGAPPNAME: ['pulse', 'x'.repeat(100)],
  PGREQUIRESSL: ['1', '0'],
  PGGSSENCMODE: ['require', 'disable'],
  PGCHANNELBINDING: ['require', 'prefer'],
} as const;

/** libpq's variables, each likely left out; one that would reach a server of this machine is never missing. */
const oddVariables: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .array(
    fc.constantFrom(...Object.entries<readonly string[]>(variables)).chain(([name, values]) =>
      fc.tuple(
        fc.constant(name),
        // A host stays as it is: an odd one would be looked up.
        name === 'PGHOST' || name === 'PGPASSWORD'
          ? fc.constantFrom(...values)
          : fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: oddText }),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => ({ PGHOST: nowhere, ...Object.fromEntries(pairs) }));

/** Much is seen only where these are in order. */
export const connectionVariables: fc.Arbitrary<Readonly<Record<string, string>>> = fc.oneof(
  fc.constant({ PGHOST: nowhere, PGUSER: 'anna', PGPASSWORD: canary }),
  oddVariables,
);

/** What stands in `files/` of a project: a password file, a service file, each with the canary. */
export const connectionFiles: Readonly<Record<string, string>> = {
  pgpass: `# comment\n${nowhere}:*:*:*:${canary}\n*:*:*:*:${canary}\n`,
  services: `[one]\nhost=${nowhere}\nuser=anna\npassword=${canary}\n\n[two]\nhost=${nowhere}\nldap://x\nnonsense\npassword=${canary}\nservice=one\n`,
};
