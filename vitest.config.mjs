import { defineConfig } from 'vitest/config';
import { mendedDriver } from './scripts/mend-postgres.mjs';

/** The driver is mended when the program is bundled; the tests are to run that one, which needs it inlined. */
const withMendedDriver = { plugins: [mendedDriver] };
const inlined = { deps: { inline: ['postgres'] } };

export default defineConfig({
  test: {
    // Two files at a time keep the server and the tests' own child programs from starving each other on small machines.
    maxWorkers: 2,
    projects: [
      {
        ...withMendedDriver,
        test: { server: inlined, name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        ...withMendedDriver,
        test: {
          server: inlined,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...withMendedDriver,
        test: {
          server: inlined,
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts', 'test/faults/support/summary-setup.ts'],
          // A campaign's size is chosen from outside; a trial that waits for ever is ended by the deadlines within it.
          testTimeout: 4 * 3600_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
