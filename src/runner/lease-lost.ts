import { PulseError } from '../errors.ts';

/** Another run holds the lease now: whatever this one would still do is no longer its business. */
export function leaseLost(): PulseError {
  return new PulseError('lock-not-obtained', 'the run lease was taken over by another run', {
    hint: 'pulse-migrate status',
  });
}
