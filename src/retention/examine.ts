import { closestName } from '../closest-name.ts';
import { PulseError } from '../errors.ts';
import { readLedger } from '../ledger/read.ts';
import { putTogetherThrough, retentionLayout } from '../ledger/retention-record.ts';
import type { KeyType } from '../partitions/bounds.ts';
import type { Session } from '../postgres/session.ts';
import type { RetentionRule } from '../retention-rule.ts';
import { cutoffOf, presentOf, type UtcText } from './cutoff.ts';
import { type Judgement, judgeRule } from './judge-rule.ts';
import { readTarget, shownName, type Target } from './target.ts';

/** What to look at. */
export interface RetentionInput {
  /** The schema of the ledger. */
  readonly schema: string;
  readonly rules: readonly RetentionRule[];
  /** Tables as the rules name them; none means all rules. */
  readonly tables: readonly string[];
  /** Another present to look from. */
  readonly now: Date | null;
}

/** A rule that can be carried out, with all that it needs. */
export interface FitRule extends Judgement {
  readonly rule: RetentionRule;
  readonly target: Target;
  readonly type: KeyType;
  readonly cutoff: UtcText;
  /** Periods before it are put together, by the record; null where none is. */
  readonly through: UtcText | null;
  /** Nothing older is left when its turn comes: another rule of the table has deleted it. */
  readonly since: UtcText | null;
}

/** A rule as it was found; what is not known of one that cannot be carried out is null. */
export interface ExaminedRule extends Judgement {
  readonly rule: RetentionRule;
  readonly fit: FitRule | null;
}

/**
 * The rules in the order in which they are carried out: table by table as configured, and of each table the ones for
 * the oldest rows first, so that nothing is put together which is deleted a moment later.
 * @throws {PulseError} `usage` for a table without a rule, and for a present that lies ahead where it must not.
 */
export async function examineRules(
  session: Session,
  input: RetentionInput,
  mayLieAhead: boolean,
): Promise<readonly ExaminedRule[]> {
  const rules = chosenRules(input);
  const present = await presentOf(session, input.now, mayLieAhead);
  const { layout } = await readLedger(session, input.schema);
  const examined: ExaminedRule[] = [];
  for (const rule of rules)
    examined.push(await examine(session, rule, present, layout < retentionLayout ? null : input.schema));
  return inOrder(examined);
}

function chosenRules({ rules, tables }: RetentionInput): readonly RetentionRule[] {
  const known = [...new Set(rules.map(({ table }) => table))];
  const unknown = tables.find((table) => !known.includes(table));
  if (unknown !== undefined) {
    const meant = closestName(unknown, known);
    const list =
      known.length === 0
        ? 'the configuration has none: see retention in .pulsemigraterc.example'
        : `tables with rules: ${known.join(', ')}`;
    throw new PulseError('usage', `no rule of retention is about ${unknown}`, {
      hint: meant === null ? list : `did you mean ${meant}? ${list}`,
    });
  }
  return tables.length === 0 ? rules : rules.filter(({ table }) => tables.includes(table));
}

async function examine(
  session: Session,
  rule: RetentionRule,
  present: UtcText,
  recordedIn: string | null,
): Promise<ExaminedRule> {
  const target = await readTarget(session, rule);
  if (target === null) {
    const cure = 'correct the name, or name it with its schema';
    return { rule, fit: null, warnings: [], obstacles: [{ why: 'there is no table of that name', cure }] };
  }
  const judgement = judgeRule(rule, target);
  const type = target.timeType;
  if (type === null || judgement.obstacles.length > 0) return { rule, fit: null, ...judgement };
  const cutoff = await cutoffOf(session, present, rule, type);
  const { time, to } = rule;
  const through =
    recordedIn === null || to === null
      ? null
      : await putTogetherThrough(session, recordedIn, { table: shownName(target), time, to });
  return { rule, ...judgement, fit: { rule, target, type, cutoff, through, since: null, ...judgement } };
}

function inOrder(examined: readonly ExaminedRule[]): readonly ExaminedRule[] {
  const tables = [...new Set(examined.map(({ rule }) => rule.table))];
  const ordered = tables.flatMap((table) =>
    examined.filter(({ rule }) => rule.table === table).toSorted((a, b) => byAge(a.fit, b.fit)),
  );
  return ordered.map((one) =>
    one.fit === null ? one : { ...one, fit: { ...one.fit, since: deletedBefore(one.fit, ordered) } },
  );
}

function byAge(a: FitRule | null, b: FitRule | null): number {
  const [one, other] = [a?.cutoff ?? '', b?.cutoff ?? ''];
  return one === other ? 0 : one < other ? -1 : 1;
}

/** Up to where a rule that comes before this one deletes everything. */
function deletedBefore({ rule, target, cutoff }: FitRule, ordered: readonly ExaminedRule[]): UtcText | null {
  const before = ordered.flatMap(({ fit }) =>
    fit !== null &&
    fit.rule.action === 'delete' &&
    fit.target.oid === target.oid &&
    fit.rule.time === rule.time &&
    fit.cutoff < cutoff
      ? [fit.cutoff]
      : [],
  );
  return before.toSorted().at(-1) ?? null;
}
