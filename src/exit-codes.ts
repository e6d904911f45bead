/** What the exit code of the program says; the same table stands in `--help` and in README.md, and a test compares them. */
export const exitCodes: ReadonlyArray<readonly [code: string, meaning: string]> = [
  ['0', 'done'],
  ['1', 'the answer is no: pending with --exit-code, a check failed'],
  ['2', 'usage, configuration or files'],
  ['3', 'cannot connect, or a right is missing'],
  ['4', 'lock not obtained in time'],
  ['5', 'migration failed and was rolled back'],
  ['6', 'migration partly applied'],
  ['7', 'ledger and files disagree'],
  ['8', 'refused, needs confirmation'],
  ['70', 'bug in pulse-migrate'],
  ['129, 130, 143', 'interrupted (SIGHUP, SIGINT, SIGTERM)'],
];
