import { PulseError } from '../../errors.ts';
import type { Conversion } from './conversion.ts';

/** Somebody else works on the same conversion. */
export function lostTrack({ name }: Conversion): PulseError {
  return new PulseError('lock-not-obtained', `${name}: another run has gone on with the conversion`, {
    hint: 'see how far it is: pulse-migrate partition status',
  });
}
