import { bigCopy, bigInserts } from './big-files.mjs';
import { firstSchema } from './first-schema.mjs';
import { installed } from './installed-size.mjs';
import { manyRunners } from './many-runners.mjs';
import { noOp } from './no-op.mjs';
import { reports } from './reports.mjs';
import { roundTrips } from './round-trips.mjs';
import { delayedMigrations, smallMigrations } from './small-migrations.mjs';
import { start } from './start.mjs';

/** In the order of the report. Each answers with rows; see `report/judge.mjs` for what is in one. */
export const workloads = [
  start,
  noOp,
  roundTrips,
  smallMigrations,
  delayedMigrations,
  firstSchema,
  bigInserts,
  bigCopy,
  manyRunners,
  reports,
  installed,
];
