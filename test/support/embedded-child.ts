import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedDependencies, startEmbedded, stopEmbedded } from '../../src/scratch/embedded.ts';

/** What a child program of a test is told to do; it answers with one line of JSON. */
export interface ChildOrder {
  readonly command: 'start' | 'stop';
  readonly projectDirectory: string;
  readonly identity: Omit<EmbeddedDependencies['identity'], 'uid' | 'pid'>;
  readonly binaries: EmbeddedDependencies['binaries'];
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder;
const deps: EmbeddedDependencies = {
  identity: { ...order.identity, uid: process.getuid?.() ?? -1, pid: process.pid },
  binaries: order.binaries,
  emit: () => undefined,
  now: () => performance.now(),
  sleep: async (ms) => void (await sleep(ms)),
};
const work = order.command === 'start' ? startEmbedded : stopEmbedded;
process.stdout.write(JSON.stringify(await work(deps, { projectDirectory: order.projectDirectory })));
