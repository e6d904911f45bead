/** Durations as people write them: in the configuration, on the command line and in directives of migrations. */

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest duration, milliseconds: PostgreSQL's timeouts and Node's timers both end at 2^31 - 1 (24.8 days), and a Node timer beyond it fires at once. */
const longestMs = 2_147_483_647;

/** The units a duration can have, for messages. */
export const durationUnits = 'ms, s, min (or m), h, d';

/**
 * `250ms`, `2s`, `1.5h` in whole milliseconds, or null for anything else. A number without a unit is refused:
 * PostgreSQL would read it as milliseconds, libpq as seconds, and a person as whichever they had in mind.
 */
export function parseDuration(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*$/.exec(text);
  if (!match) return null;
  const milliseconds = Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN);
  const whole = Math.round(milliseconds);
  return Math.abs(milliseconds - whole) < 1e-6 && whole <= longestMs ? whole : null;
}
