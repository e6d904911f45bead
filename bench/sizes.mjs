/** How large the workloads are: as the targets are written, or only large enough to see that everything runs. */
export function sizesOf({ quick }) {
  return quick
    ? { small: 40, applied: 30, many: 60, few: 5, delayed: 12, bigMiB: 3, runners: 4, pending: 8, tables: 50 }
    : {
        small: 1000,
        applied: 1000,
        many: 5000,
        few: 20,
        delayed: 200,
        bigMiB: 100,
        runners: 10,
        pending: 50,
        tables: 10_000,
      };
}

/** One way, in milliseconds: a round trip takes twice as long. */
export const delayMs = 10;
