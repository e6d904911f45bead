import { type Check, type Disagreement, fine } from '../check.ts';

const shownAtMost = 5;

/** Not asked before an `up`: its plan refuses every disagreement itself, and knows --allow-out-of-order. */
export const ledgerAndFiles: Check = {
  id: 'ledger-and-files',
  question: 'Do the files and the ledger tell the same story?',
  why: 'A file that was changed or lost after it was applied means that other databases get another schema.',
  beforeUp: false,
  async run({ disagreements, ledger, pending }) {
    const [first] = disagreements;
    if (first === undefined)
      return fine(`${ledger.applied.length} applied, ${pending.length} pending, no disagreement`);
    const shown = disagreements.slice(0, shownAtMost).map(describe);
    const more = disagreements.length - shown.length;
    return {
      outcome: 'failure',
      message: shown.join('; ') + (more > 0 ? `; and ${more} more` : ''),
      hint: cure(first),
    };
  },
};

function describe({ version, name, state, file }: Disagreement): string {
  const shown = file ?? `${version}_${name}`;
  switch (state) {
    case 'changed':
      return `${shown} was changed after it was applied`;
    case 'missing':
      return `${version}_${name} is applied, but its file is missing`;
    case 'unfinished':
      return `${shown} stopped part of the way`;
    case 'out-of-order':
      return `${shown} is pending, but older than a migration that is applied`;
  }
}

function cure({ state, version, finish }: Disagreement): string {
  switch (state) {
    case 'changed':
      return `pulse-migrate diff ${version}`;
    case 'unfinished':
      return `finish it: ${finish ?? 'pulse-migrate status'}; or undo by hand what it did, and strike it from the record: pulse-migrate repair --forget ${version}`;
    case 'missing':
      return 'restore the file; pulse-migrate status shows all versions';
    case 'out-of-order':
      return 'give it a higher version, or run it all the same: pulse-migrate up --allow-out-of-order';
  }
}
