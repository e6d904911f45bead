import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, cp, lstat, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import postgres from 'postgres';
import { inject } from 'vitest';
import {
  type EmbeddedDependencies,
  type EmbeddedServer,
  resetEmbedded,
  startEmbedded,
  stopEmbedded,
} from '../../src/scratch/embedded.ts';
import { findBinaries } from '../../src/scratch/embedded-binaries.ts';
import type { ChildOrder } from './embedded-child.ts';

/** A machine of its own for tests of the embedded server: places for data and programs below one directory with a space in its name. */
export interface Machine extends AsyncDisposable {
  readonly root: string;
  readonly deps: EmbeddedDependencies;
  /** Makes a project whose server is stopped and deleted with the machine. */
  project(name: string): Promise<Project>;
  /** A child program that starts the server of `project`, as this user or as another account. */
  startInChild(project: Project, account?: { readonly uid: number; readonly gid: number }): Promise<EmbeddedServer>;
}

interface Project {
  readonly directory: string;
  start(): Promise<EmbeddedServer>;
  stop(): Promise<{ readonly stopped: boolean }>;
  reset(): Promise<{ readonly deleted: boolean }>;
}

/** A copy of the npm package as it is where npm refuses install scripts: without links. */
async function packageWithoutLinks(target: string): Promise<string> {
  const own = { platform: process.platform, architecture: process.arch, packageBase: import.meta.url, override: null };
  const { directory } = await findBinaries(own);
  await cp(directory, join(target, 'native'), {
    recursive: true,
    filter: async (path) => !(await lstat(path)).isSymbolicLink(),
  });
  await copyFile(join(dirname(directory), 'package.json'), join(target, 'package.json'));
  return join(target, 'native');
}

async function open(path: string, mode = 0o755): Promise<string> {
  await mkdir(path);
  await chmod(path, mode);
  return path;
}

/** Runs one query over the socket, as any client of that user could. */
export async function ask<Row extends object>(server: EmbeddedServer, text: string): Promise<Row[]> {
  const sql = postgres({
    host: server.socketDirectory,
    port: server.port,
    user: 'postgres',
    database: 'postgres',
    max: 1,
    onnotice: () => undefined,
  });
  try {
    return [...(await sql.unsafe<Row[]>(text))];
  } finally {
    await sql.end({ timeout: 5 });
  }
}

export async function openMachine(): Promise<Machine> {
  // Below the run's directory, so that the next run finds what a killed one left; short, for the sake of the sockets.
  const root = await mkdtemp(join(inject('runDirectory'), 'a b '));
  await chmod(root, 0o755);
  const override = await packageWithoutLinks(await open(join(root, 'package')));
  const deps: EmbeddedDependencies = {
    identity: {
      uid: process.getuid?.() ?? -1,
      pid: process.pid,
      platform: process.platform,
      architecture: process.arch,
      homeDirectory: await open(join(root, 'home'), 0o700),
      dataHome: null,
      systemStateDirectory: await open(join(root, 'state')),
      temporaryDirectory: await open(join(root, 'tmp'), 0o1777),
    },
    binaries: { packageBase: import.meta.url, override },
    emit: () => undefined,
    now: () => performance.now(),
    sleep: async (ms) => void (await sleep(ms)),
  };
  const projects: Project[] = [];
  const child = join(root, 'child.mjs');
  // Another account may not enter the checkout nor the directory of this Node, so it gets copies of both.
  const node = join(root, 'node');
  await build({
    entryPoints: [join(import.meta.dirname, 'embedded-child.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: child,
    logLevel: 'warning',
  });
  await copyFile(process.execPath, node);
  await chmod(child, 0o644);

  const runChild = async (
    order: ChildOrder,
    account?: { readonly uid: number; readonly gid: number },
  ): Promise<string> => {
    const { stdout } = await promisify(execFile)(node, [child, JSON.stringify(order)], { cwd: '/', ...account });
    return stdout;
  };
  const stopsOfChildren: (() => Promise<unknown>)[] = [];
  return {
    root,
    deps,
    async project(name) {
      const directory = await open(join(root, name));
      const input = { projectDirectory: directory };
      const project: Project = {
        directory,
        start: () => startEmbedded(deps, input),
        stop: () => stopEmbedded(deps, input),
        reset: () => resetEmbedded(deps, input),
      };
      projects.push(project);
      return project;
    },
    async startInChild(project, account) {
      const { uid: _uid, pid: _pid, ...own } = deps.identity;
      const identity = account ? { ...own, homeDirectory: '/nonexistent' } : own;
      const order: ChildOrder = {
        command: 'start',
        projectDirectory: project.directory,
        identity,
        binaries: deps.binaries,
      };
      if (account) await chown(project.directory, account.uid, account.gid);
      stopsOfChildren.push(() => runChild({ ...order, command: 'stop' }, account));
      return JSON.parse(await runChild(order, account)) as EmbeddedServer;
    },
    async [Symbol.asyncDispose]() {
      for (const stop of stopsOfChildren) await stop();
      for (const project of projects) await project.stop();
      await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
