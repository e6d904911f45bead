import { spawn } from 'node:child_process';

/** Runs a program on this terminal; its exit code, 1 when a signal ended it. */
export function run(program, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/**
 * Passed and failed tests out of the JSON of vitest. A file that did not load holds no test, yet is a failure; so is a
 * run that failed for a reason no test shows (a check, the server, an error nobody caught).
 */
export function countTests(text, exitCode) {
  const outcome = text === null ? { numPassedTests: 0, numFailedTests: 0, testResults: [] } : JSON.parse(text);
  const unloaded = outcome.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const failed = outcome.numFailedTests + unloaded.length;
  return { passed: outcome.numPassedTests, failed: exitCode === 0 ? failed : Math.max(failed, 1) };
}
