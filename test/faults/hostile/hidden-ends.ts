import { type HostileFile, partly, refused } from './hostile-file.ts';

const ends = refused('migration-failed', 'tries to end the transaction');

function inTransaction(name: string, does: string, rest: Partial<HostileFile> = {}): HostileFile {
  return { name, mode: 'transaction', does, ends, ...rest };
}

/** A dynamic statement in a DO block. */
function dynamically(statement: string): string {
  return `DO $do$ BEGIN EXECUTE $sql$${statement}$sql$; END $do$;`;
}

/**
 * With standard_conforming_strings off the server reads the second of these quoted parts as text of its own: what the
 * splitter takes for a string is a statement.
 */
function smuggled(statement: string): string {
  return `SELECT 'a\\', '; ${statement}; --';`;
}

/** The setting comes into force for the message behind the COPY. */
function turnedOff(how: string): string {
  return `CREATE TABLE public.loaded (id int);\n${how};\nCOPY public.loaded FROM stdin;\n1\n\\.\n`;
}

const openly = 'SET standard_conforming_strings = off';
const inside = "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$";

/** COMMIT, ROLLBACK and their kin where no keyword at the top level shows them. */
export const hiddenEnds: readonly HostileFile[] = [
  inTransaction('commit in a DO block', 'DO $$ BEGIN COMMIT; END $$;', { pooled: true }),
  inTransaction('rollback in a DO block', 'DO $$ BEGIN ROLLBACK; END $$;', { pooled: true }),
  inTransaction('commit and chain in a DO block', 'DO $$ BEGIN COMMIT AND CHAIN; END $$;'),
  inTransaction(
    'commit in a procedure of the same file',
    'CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();',
  ),
  inTransaction('commit in a procedure that is there already', 'CALL public.commits();', {
    prepare: 'CREATE PROCEDURE public.commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;',
  }),
  inTransaction('commit in a procedure that a procedure calls', 'CALL public.outer_one();', {
    prepare: `CREATE PROCEDURE public.inner_one() LANGUAGE plpgsql AS $$ BEGIN ROLLBACK; END $$;
CREATE PROCEDURE public.outer_one() LANGUAGE plpgsql AS $$ BEGIN CALL public.inner_one(); END $$;`,
  }),
  inTransaction('commit in nested dynamic SQL', dynamically("DO $inner$ BEGIN EXECUTE 'COMMIT'; END $inner$"), {
    ends: refused('migration-failed', 'EXECUTE of transaction commands is not implemented'),
  }),
  inTransaction('commit in an SQL procedure', "CREATE PROCEDURE p() LANGUAGE sql AS 'COMMIT';\nCALL p();", {
    ends: refused('migration-failed', 'COMMIT is not allowed in an SQL function'),
  }),
  inTransaction('prepare transaction in dynamic SQL', dynamically("PREPARE TRANSACTION 'px'"), {
    ends: refused('migration-failed', 'EXECUTE of transaction commands is not implemented'),
  }),
  inTransaction('begin in dynamic SQL', dynamically('BEGIN'), {
    ends: refused('migration-failed', 'EXECUTE of transaction commands is not implemented'),
  }),
  inTransaction(
    'rollback that an exception handler hides',
    'DO $$ BEGIN ROLLBACK; EXCEPTION WHEN OTHERS THEN NULL; END $$;',
    {
      ends: 'applied',
    },
  ),
  inTransaction('discard all in dynamic SQL', dynamically('DISCARD ALL'), {
    ends: refused('migration-failed', 'DISCARD ALL cannot'),
  }),
  inTransaction('commit at the top level', 'COMMIT;', { ends: refused('folder-invalid', 'COMMIT in a file') }),
  inTransaction('begin at the top level', 'BEGIN;', { ends: refused('folder-invalid', 'BEGIN in a file') }),
  inTransaction('prepare transaction at the top level', "PREPARE TRANSACTION 'px';", {
    ends: refused('folder-invalid', 'PREPARE TRANSACTION'),
  }),
  inTransaction('commit behind a separator of psql', 'SELECT 1 \\; COMMIT;', {
    ends: refused('folder-invalid', 'psql'),
  }),
  inTransaction(
    'savepoints rolled back to and released',
    'SAVEPOINT a; SAVEPOINT a; CREATE TABLE public.gone (); ROLLBACK TO a; RELEASE a;',
    {
      ends: 'applied',
      holds: "to_regclass('public.gone') IS NULL",
      pooled: true,
    },
  ),
  inTransaction('savepoint left open', 'SAVEPOINT left_open;', { ends: 'applied' }),
  inTransaction('release of a savepoint that is not there', 'RELEASE SAVEPOINT nowhere;', {
    ends: refused('migration-failed', 'does not exist'),
  }),
  inTransaction(
    'ten thousand subtransactions',
    'CREATE TABLE public.many (n int);\nDO $$ BEGIN FOR n IN 1..10000 LOOP BEGIN INSERT INTO public.many VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$;',
    {
      ends: 'applied',
      holds: 'SELECT count(*) = 10000 FROM public.many',
    },
  ),
  inTransaction('commit smuggled in a string', turnedOff(openly) + smuggled('COMMIT'), {
    ends: refused('folder-invalid', 'standard_conforming_strings'),
  }),
  inTransaction('rollback smuggled in a string', turnedOff(openly) + smuggled('ROLLBACK'), {
    ends: refused('folder-invalid', 'standard_conforming_strings'),
  }),
  inTransaction('commit smuggled in a string, the setting hidden', turnedOff(inside) + smuggled('COMMIT'), {
    ends: 'applied',
  }),
  inTransaction('rollback smuggled in a string, the setting hidden', turnedOff(inside) + smuggled('ROLLBACK'), {
    ends: 'applied',
    pooled: true,
  }),
  {
    name: 'commit in a DO block without a transaction',
    mode: 'no-transaction',
    does: 'DO $$ BEGIN INSERT INTO public.kept VALUES (1); COMMIT; END $$;',
    prepare: 'CREATE TABLE public.kept (id int);',
    ends: partly('1 of 3 statements are done', 'first mark'),
    mended: 'DO $$ BEGIN INSERT INTO public.kept VALUES (1); END $$;',
  },
  {
    name: 'rollback in a procedure without a transaction',
    mode: 'no-transaction',
    does: 'CALL public.rolls_back();',
    prepare: 'CREATE PROCEDURE public.rolls_back() LANGUAGE plpgsql AS $$ BEGIN ROLLBACK; END $$;',
    ends: partly('1 of 3 statements are done', 'first mark'),
  },
  {
    name: 'commit smuggled in a string without a transaction',
    mode: 'no-transaction',
    does: `${openly};\n${smuggled('COMMIT')}`,
    ends: refused('folder-invalid', 'standard_conforming_strings'),
  },
  {
    name: 'rollback smuggled in a string without a transaction, the setting hidden',
    mode: 'no-transaction',
    does: `${inside};\n${smuggled('ROLLBACK')}`,
    ends: 'applied',
  },
];
