/** Modes of table locks, the strongest last, each with those it conflicts with (manual, table "Conflicting Lock Modes"). */
const conflicts = {
  'ACCESS SHARE': ['ACCESS EXCLUSIVE'],
  'ROW SHARE': ['EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'ROW EXCLUSIVE': ['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE UPDATE EXCLUSIVE': ['SHARE UPDATE EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  SHARE: ['ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE ROW EXCLUSIVE': [
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  EXCLUSIVE: [
    'ROW SHARE',
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  'ACCESS EXCLUSIVE': [
    'ACCESS SHARE',
    'ROW SHARE',
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
} as const;

export type LockMode = keyof typeof conflicts;

const lockModes = Object.keys(conflicts) as readonly LockMode[];

export function isLockMode(text: string): text is LockMode {
  return text in conflicts;
}

/** Whether who wants the one has to wait for who holds the other; a mode that is none of a table's is in nobody's way. */
export function conflictsWith(wanted: LockMode, held: string): boolean {
  return (conflicts[wanted] as readonly string[]).includes(held);
}

export function strongest(one: LockMode, ...others: readonly LockMode[]): LockMode {
  return others.reduce((most, next) => (lockModes.indexOf(next) > lockModes.indexOf(most) ? next : most), one);
}

/** As statements write the mode that pg_locks calls `ShareRowExclusiveLock`: SHARE ROW EXCLUSIVE. */
export function modeOfServer(mode: string): string {
  return mode
    .replace(/Lock$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase();
}
