/**
 * Sets of migrations, each `{ list, check, expected }`: `check` is a query that answers with `expected` when every one of
 * them was applied once. A migration is `{ number, name, up, down }`; how it is written down is the contestant's affair.
 */

/** Small ones: a table and an index each. */
export function smallSet(count) {
  const list = Array.from({ length: count }, (_, index) => {
    const number = index + 1;
    return {
      number,
      name: `small_${number}`,
      up: `CREATE TABLE t_${number} (id bigint PRIMARY KEY, name text NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX t_${number}_name ON t_${number} (name);
`,
      down: `DROP TABLE t_${number};\n`,
    };
  });
  return {
    list,
    check:
      "SELECT count(*)::integer FROM pg_catalog.pg_indexes WHERE schemaname = 'public' AND indexname ~ '^t_[0-9]+_name$'",
    expected: count,
  };
}

/** One migration out of a text. */
export function singleSet({ name, up, down, check, expected }) {
  return { list: [{ number: 1, name, up, down }], check, expected };
}

const mebibyte = 1024 * 1024;
const note = 'The quick brown fox jumps over the lazy dog, and nobody minds.';

function bigSet(name, up, rows) {
  return singleSet({
    name,
    up,
    down: 'DROP TABLE big;\n',
    check: 'SELECT count(*)::integer FROM public.big',
    expected: rows,
  });
}

const bigTable = 'CREATE TABLE big (id bigint NOT NULL, name text NOT NULL, note text NOT NULL);\n';

/** INSERTs of 1,000 rows each, as large as asked for. */
export function insertsSet(mebibytes) {
  const parts = [bigTable];
  let [length, id] = [bigTable.length, 0];
  while (length < mebibytes * mebibyte) {
    const rows = Array.from({ length: 1000 }, () => {
      id += 1;
      return `  (${id}, 'name of row ${id}', '${note}')`;
    });
    const statement = `INSERT INTO big (id, name, note) VALUES\n${rows.join(',\n')};\n`;
    parts.push(statement);
    length += statement.length;
  }
  return bigSet('inserts', parts.join(''), id);
}

/** The data of one COPY, as pg_dump writes it. */
export function copySet(mebibytes) {
  const parts = [bigTable, 'COPY big (id, name, note) FROM stdin;\n'];
  let [length, id] = [0, 0];
  while (length < mebibytes * mebibyte) {
    id += 1;
    const line = `${id}\tname of row ${id}\t${note}\n`;
    parts.push(line);
    length += line.length;
  }
  parts.push('\\.\n');
  return bigSet('copy', parts.join(''), id);
}
