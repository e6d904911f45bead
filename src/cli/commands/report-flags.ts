import { durationUnits, parseDuration } from '../../durations.ts';
import { PulseError } from '../../errors.ts';
import type { Invocation } from '../cli.ts';
import { textFlag } from '../open.ts';

/** `--timeout` in milliseconds. */
export function timeoutFlag(flags: Invocation['flags'], otherwise: number): number {
  const text = textFlag(flags, 'timeout');
  if (text === undefined) return otherwise;
  const milliseconds = parseDuration(text);
  if (milliseconds !== null && milliseconds > 0) return milliseconds;
  throw new PulseError('usage', `--timeout takes a duration (${durationUnits}), not "${text}"`, {
    hint: 'for example: --timeout 30s',
  });
}
