import { expect } from 'vitest';
import { archivePartitions } from '../../../src/archive/archive-partitions.ts';
import { directoryStore } from '../../../src/archive/directory-store.ts';
import type { Format } from '../../../src/archive/format.ts';
import type { ProgressEvent } from '../../../src/events.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';

const schema = 'pulse_migrate';

test.for<Format>(['csv', 'jsonl', 'parquet'])(
  'an archive as %s tells how many rows are written and read back, of how many, up to the last one',
  async (format, { database }) => {
    await database.admin(`CREATE TABLE logs (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE logs_q1 PARTITION OF logs FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00');
INSERT INTO logs SELECT '2025-01-01 00:00+00', E'a "line",\\n' || repeat(md5(i::text), 8) FROM generate_series(1, 20000) AS i; ANALYZE logs_q1`);
    const { directory } = await openProject(null, database);
    await using session = await openSession(database.url);
    await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
    const store = directoryStore(directory);
    const events: ProgressEvent[] = [];

    await archivePartitions(
      { ...runnerDeps(session, database.url), emit: (event) => void events.push(event) },
      {
        ...{ schema, store, place: store.shown, endpoint: null, format, drop: false },
        ...{ table: 'logs', names: ['logs_q1'], before: null, confirm: () => undefined, detach: async () => undefined },
      },
    );

    const told = events.filter((event) => event.type === 'archive-progress');
    const [written, read] = (['writing', 'reading back'] as const).map((of) =>
      told.filter(({ phase }) => phase === of),
    );
    const bytes = written?.at(-1)?.bytes;
    expect(written?.length).toBeGreaterThan(3);
    expect(written?.at(-1)).toMatchObject({ table: 'logs_q1', rows: 20_000, totalRows: 20_000, totalBytes: null });
    expect(read?.at(-1)).toMatchObject({ rows: 20_000, totalRows: 20_000, bytes, totalBytes: bytes });
  },
);
