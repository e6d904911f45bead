import { connect } from '../../../src/postgres/connect.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { catalogFingerprint } from '../../../src/scratch/fingerprint.ts';
import type { CliRun } from '../../support/cli.ts';
import { parametersOf } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import type { Verdict } from '../support/tally.ts';
import { type HostileFile, type Outcome, type Refusal, textOf } from './hostile-file.ts';
import { first, last, type Scene } from './stage.ts';
import { surroundings } from './surroundings.ts';

/** Runs a hostile file between two innocent ones and judges by the catalog what became of it. */
export async function tryHostile(scene: Scene, file: HostileFile, pooledUrl: string | null): Promise<Verdict> {
  const url = pooledUrl ?? scene.url;
  const project = await openProject(null, { url });
  await project.configure('lockRetries: 1\nlockWait: 3s\nbackup: {policy: skip}\n');
  const write = (does: string) =>
    project.write({ ...first, ...pairs({ '0002_hostile': [textOf(file, does), 'SELECT 1;'] }), ...last });
  if (file.prepare !== undefined) await scene.admin(file.prepare);
  await write(file.does);
  const untouched = await wholeState(scene);
  await using other = pooledUrl === null ? null : await connect(await parametersOf(pooledUrl));
  const otherBefore = await other?.rows(raw(surroundings));

  const run = await project.cli(['up', '--json', '--yes']);
  const bad = (fault: NonNullable<Verdict['fault']>, what: string): Verdict => ({
    fault,
    detail: `${what}\nrun: ${run.exitCode} ${run.stdout}${run.stderr}`,
  });

  if (run.exitCode === 70 || /\n\s+at .+:\d+:\d+/.test(run.stderr)) return bad('uncaught', 'exit 70 or a stack');
  const left = await leftBehind(scene, pooledUrl !== null);
  if (left !== null) return bad('left behind', left);
  const ending = await compared(scene, file, run, pooledUrl !== null, untouched);
  if (ending !== null) return bad(ending.fault, ending.detail);

  if (run.exitCode !== 0) await write(file.mended ?? 'SELECT 1;');
  const next = await project.cli(['up', '--json', '--yes']);
  if (next.exitCode !== 0) return bad('stuck', `the next up ended ${next.exitCode}: ${next.stdout}${next.stderr}`);
  const [innocent] = await scene.admin<{ first: object; last: object; versions: string }>(`SELECT
  (SELECT to_jsonb(b) FROM beside.before_it AS b) AS first, (SELECT to_jsonb(a) FROM public.after_it AS a) AS last,
  (SELECT string_agg(version, ' ' ORDER BY number) FROM pulse_migrate.applied) AS versions`);
  if (innocent?.versions !== '0001 0002 0003') return bad('stuck', `applied in the end: ${innocent?.versions}`);
  if (pooledUrl === null && JSON.stringify(innocent.first) !== JSON.stringify(innocent.last))
    return bad(
      'inconsistent',
      `leaked into the next file: ${JSON.stringify(innocent.last)} was ${JSON.stringify(innocent.first)}`,
    );
  const otherAfter = await other?.rows(raw(surroundings));
  if (JSON.stringify(otherAfter) !== JSON.stringify(otherBefore))
    return bad(
      'inconsistent',
      `leaked to another client of the pool: ${JSON.stringify(otherAfter)} was ${JSON.stringify(otherBefore)}`,
    );
  const finallyLeft = await leftBehind(scene, pooledUrl !== null);
  return finallyLeft === null ? { fault: null } : bad('left behind', `after the next up: ${finallyLeft}`);
}

interface Ended {
  readonly fault: NonNullable<Verdict['fault']>;
  readonly detail: string;
}

/** Whether the run ended as it has to, by its words and by the catalog; null when it did. */
async function compared(
  scene: Scene,
  file: HostileFile,
  run: CliRun,
  pooled: boolean,
  untouched: string,
): Promise<Ended | null> {
  const ends = (pooled ? file.endsPooled : undefined) ?? file.ends;
  const allowed: readonly Outcome[] = typeof ends === 'object' && !('code' in ends) ? ends : [ends];
  const marks = await marksOf(scene);
  const recorded = await isRecorded(scene);
  if (run.exitCode === 0) {
    if (marks !== 'both marks' || !recorded)
      return { fault: 'untrue', detail: `success was said; there is: ${marks}, recorded: ${recorded}` };
    if (!allowed.includes('applied')) return { fault: 'inconsistent', detail: 'applied, and should have been refused' };
    if (file.holds === undefined) return null;
    const [row] = await scene.admin<{ held: boolean }>(`SELECT (${file.holds}) AS held`);
    return row?.held === true ? null : { fault: 'inconsistent', detail: `does not hold: ${file.holds}` };
  }
  if (recorded) return { fault: 'untrue', detail: 'failure was said, yet it is recorded' };
  const error = run.json().error;
  const refusals = allowed.filter((one): one is Refusal => one !== 'applied');
  const refusal = refusals.find(({ code }) => code === error?.code);
  const told = JSON.stringify(error);
  if (refusal === undefined || !told.includes(refusal.says))
    return { fault: 'untrue', detail: `not told as it has to be: ${JSON.stringify(ends)}` };
  if (marks !== (refusal.left ?? 'no mark')) return { fault: 'inconsistent', detail: `there is: ${marks}` };
  if (refusal.left === undefined && (await wholeState(scene)) !== untouched)
    return { fault: 'inconsistent', detail: 'something of it remains in the catalog or the ledger' };
  return null;
}

async function marksOf(scene: Scene): Promise<'both marks' | 'first mark' | 'last mark' | 'no mark'> {
  const [row] = await scene.admin<{ first: boolean; last: boolean }>(
    "SELECT to_regclass('public.mark_first') IS NOT NULL AS first, to_regclass('public.mark_last') IS NOT NULL AS last",
  );
  if (row?.first && row.last) return 'both marks';
  return row?.first ? 'first mark' : row?.last ? 'last mark' : 'no mark';
}

async function isRecorded(scene: Scene): Promise<boolean> {
  const rows = await scene.admin("SELECT FROM pulse_migrate.applied WHERE version = '0002'");
  return rows.length > 0;
}

/** Everything a file could have changed, ours included, as one text. */
async function wholeState(scene: Scene): Promise<string> {
  const { objects } = await catalogFingerprint(
    { rows: (statement) => scene.admin(statement.text) },
    { excludeSchemas: [] },
  );
  const beside = await scene.admin(`SELECT
  (SELECT json_agg(l ORDER BY id) FROM pulse_migrate.ledger AS l) AS ledger,
  (SELECT json_agg(l) FROM pulse_migrate.layout AS l) AS layout,
  (SELECT json_agg(j ORDER BY id) FROM pulse_migrate.journal AS j) AS journal,
  (SELECT count(*) FROM pulse_migrate.lease) AS leases,
  (SELECT json_agg(m.oid) FROM pg_largeobject_metadata AS m) AS large_objects,
  (SELECT json_agg(r.setconfig) FROM pg_db_role_setting AS r
   WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) AS settings`);
  return JSON.stringify([[...objects], beside]);
}

/** Sessions, locks and the like that a run left, if it did. */
async function leftBehind(scene: Scene, pooled: boolean): Promise<string | null> {
  const here = `database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()`;
  const idle = pooled ? "state <> 'idle'" : 'true';
  const look = () =>
    scene.admin<{
      what: string;
    }>(`SELECT concat_ws(' ', 'session', pid, application_name, state, query) AS what FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND ${idle}
UNION ALL SELECT concat_ws(' ', 'lock', locktype, mode, relation::regclass) FROM pg_locks WHERE ${here} AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend')
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL SELECT 'guard row ' || entry FROM pulse_migrate.guard
UNION ALL SELECT 'lease of ' || token FROM pulse_migrate.lease WHERE token IS NOT NULL
UNION ALL SELECT 'no row in lease' WHERE NOT EXISTS (SELECT FROM pulse_migrate.lease)
UNION ALL SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid`);
  let seen: string[] = [];
  const quiet = await until('no session of the run', async () => {
    seen = (await look()).map(({ what }) => what);
    return seen.length === 0 || !seen.some((what) => what.startsWith('session') || what.startsWith('lock'));
  }).catch(() => false);
  return quiet !== false && seen.length === 0 ? null : seen.join('; ');
}
