/** How much of the campaign runs: little with `npm test`, all of it with `npm run test:faults`; each size by its own variable. */

/** Whether the whole campaign was asked for. */
export const isFull = process.env['PULSE_FAULTS'] === 'full';

function size(variable: string, few: number, many: number): number {
  const given = process.env[variable];
  if (given === undefined) return isFull ? many : few;
  if (given === 'all') return Number.POSITIVE_INFINITY;
  const number = Number(given);
  if (!Number.isInteger(number) || number < 0) throw new Error(`${variable}: a whole number or "all", not "${given}"`);
  return number;
}

export const sizes = {
  /** Cut points of each combination of command, mode, side and way to the server, spread evenly over its messages. */
  cuts: size('PULSE_FAULTS_CUTS', 6, Number.POSITIVE_INFINITY),
  /** Of those, how many with a connection that falls silent: each takes seconds. */
  hangs: size('PULSE_FAULTS_HANGS', 2, 40),
  /** SIGKILLs of the program: half at random, half at the boundaries of statements. */
  kills: size('PULSE_FAULTS_KILLS', 10, 1000),
  /** So many pg_terminate_backend, pg_cancel_backend and kill -9 of the backend, each. */
  backendKills: size('PULSE_FAULTS_BACKEND_KILLS', 2, 60),
  /** Immediate stops of the server, which starts again at once. */
  stops: size('PULSE_FAULTS_STOPS', 2, 200),
  /** Situations in which a run waits while the server restarts, times the ways to stop it. */
  restarts: size('PULSE_FAULTS_RESTARTS', 3, 9),
  /** Runs that start at once, and how often that is repeated. */
  runners: size('PULSE_FAULTS_RUNNERS', 8, 50),
  races: size('PULSE_FAULTS_RACES', 1, 10),
  /** Holders of the lease that are stopped (SIGSTOP) until another run has taken it. */
  pauses: size('PULSE_FAULTS_PAUSES', 2, 40),
  /** Standbys that are promoted without the last commit. */
  failovers: size('PULSE_FAULTS_FAILOVERS', 1, 20),
  /** Hostile migrations, evenly over their table; half as many through a pooler. */
  hostile: size('PULSE_FAULTS_HOSTILE', 8, Number.POSITIVE_INFINITY),
  /** SQL files through the splitter and the server's own parser. */
  fuzzedFiles: size('PULSE_FAULTS_FUZZ_FILES', 500, 100_000),
  /** Configurations, folders and command lines. */
  fuzzedInputs: size('PULSE_FAULTS_FUZZ_INPUTS', 200, 10_000),
} as const;

/** Kills through PgBouncer: few, since each waits for the lease to run out; none with `npm test`. */
export const pooledKills = Math.floor(sizes.kills / 12);

/** One place alone: `PULSE_FAULTS_ONLY='cuts:up:direct:once:to-client:17'`, as a failure prints it. */
const only = process.env['PULSE_FAULTS_ONLY'] ?? null;

/** One input of a fuzzed batch alone, as fast-check calls it; with `PULSE_FAULTS_ONLY`, and printed by the same failure. */
export const fuzzPath = process.env['PULSE_FAULTS_FUZZ_PATH'] ?? null;

/** Whether one place alone is asked for: then all places are offered, whatever the sizes are. */
export const oneIsAsked = only !== null;

export function isAsked(part: string, place: string): boolean {
  return only === null || only === `${part}:${place}`;
}

/** Where chance decides, it follows from this and from the place, so that a failure can be repeated. */
export const seed = Number(process.env['PULSE_FAULTS_SEED'] ?? 20261122);

/** Numbers in [0, 1) that are the same for the same seed and place (mulberry32 on a hash of both). */
export function chanceAt(place: string): () => number {
  let state = seed | 0;
  for (const letter of place) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Up to `count` of the numbers from 1 to `total`, evenly spread, the first and the last among them. */
export function spread(total: number, count: number): number[] {
  if (count >= total) return Array.from({ length: total }, (_none, index) => index + 1);
  if (count <= 1) return count === 1 ? [Math.ceil(total / 2)] : [];
  return Array.from({ length: count }, (_none, index) => 1 + Math.round((index * (total - 1)) / (count - 1)));
}
