import { PulseError } from '../errors.ts';

const message = 'the run lease was taken over by another run';

/** Another run holds the lease now: whatever this one would still do is no longer its business. */
export function leaseLost(): PulseError {
  return new PulseError('lock-not-obtained', message, { hint: 'pulse-migrate status' });
}

/** Whether a failure is the one that `leaseLost` makes. */
export function isLeaseLost(error: unknown): error is PulseError {
  return error instanceof PulseError && error.code === 'lock-not-obtained' && error.message === message;
}
