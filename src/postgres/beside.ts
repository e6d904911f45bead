/** Nobody waits longer for a connection that only stands beside a run, to renew its lease or to look, milliseconds. */
export const besideMs = 5000;
