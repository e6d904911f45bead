/** Reads `retention`: for each table the rules by which its rows go. */
import { formats } from '../archive-formats.ts';
import {
  type Aggregation,
  type ArchivePlace,
  aggregations,
  type RetentionAction,
  type RetentionRule,
  retentionActions,
  slots,
} from '../retention-rule.ts';
import { Fields, readingOf, sectionOf } from './fields.ts';
import { type Misfit, type Reading, readChoice, readCount, readDuration, readText, readTextList } from './readings.ts';

const like = 'notifications: [{ action: delete, time: created_at, after: 30 days }]';

/** How many rows go in one transaction, and how long the others have then, unless a rule says so; milliseconds. */
const usualBatch = 1000;
const usualPauseMs = 50;

/** A section of tables, each with a list of rules. */
export function readRetentionRules(raw: unknown): Reading<readonly RetentionRule[]> {
  const section = sectionOf(raw);
  if (section === null) return { ok: false, problem: 'must hold tables by name', hint: `write for example ${like}` };
  const misfits: Misfit[] = [];
  const rules: RetentionRule[] = [];
  for (const [table, list] of section) {
    if (!Array.isArray(list) || list.length === 0) {
      misfits.push({ problem: 'must be a list of rules', hint: `write for example ${like}`, at: [table] });
      continue;
    }
    list.forEach((item: unknown, index) => {
      const own = sectionOf(item);
      const at = [table, String(index)];
      if (own === null) misfits.push({ problem: 'must be a rule', hint: `write for example ${like}`, at });
      else {
        const fields = new Fields(own, at);
        const rule = readRule(table, fields);
        misfits.push(...fields.misfits);
        if (rule !== null) rules.push(rule);
      }
    });
  }
  return readingOf(misfits, rules);
}

function readRule(table: string, fields: Fields): RetentionRule | null {
  const action = fields.required('action', readChoice(retentionActions), 'action: delete');
  const time = fields.required('time', readText, 'time: created_at');
  const after = fields.required('after', readAge, 'after: 30 days');
  const batch = fields.optional('batch', readBatch) ?? usualBatch;
  const pauseMs = fields.optional('pause', readDuration) ?? usualPauseMs;
  const cascade = fields.optional('cascade', readTextList) ?? [];
  const parts = readParts(fields, action);
  // Of a rule whose action is not known nobody knows which keys belong to it.
  if (action !== null) fields.refuseOthers();
  if (action === null || time === null || after === null) return null;
  return { table, action, time, after, batch, pauseMs, cascade, ...parts };
}

type Parts = Pick<RetentionRule, 'by' | 'to' | 'columns' | 'archive'>;

/** What some actions have and others have not. */
function readParts(fields: Fields, action: RetentionAction | null): Parts {
  const none: Parts = { by: [], to: null, columns: [], archive: null };
  switch (action) {
    case 'downsample':
      return {
        ...none,
        to: fields.required('to', readChoice(slots), 'to: day'),
        by: fields.required('by', readTextList, 'by: [team_id, metric]') ?? [],
        columns: fields.required('columns', readColumns, 'columns: { value: avg }') ?? [],
      };
    case 'keep-one-a-day':
      return { ...none, by: fields.required('by', readTextList, 'by: [team_id]') ?? [] };
    case 'archive':
      return { ...none, archive: readArchivePlace(fields) };
    default:
      return none;
  }
}

/** `30 days`, `12 months`: by the calendar, as the server subtracts an interval, and in words it reads the same. */
function readAge(raw: unknown): Reading<string> {
  const match = typeof raw === 'string' ? /^\s*([1-9]\d{0,4}) ?(hour|day|week|month|year)s?\s*$/.exec(raw) : null;
  if (match === null) {
    return {
      ok: false,
      problem: 'must be an age',
      hint: 'write for example 30 days; units are hours, days, weeks, months, years',
    };
  }
  return { ok: true, value: `${match[1]} ${match[2]}${match[1] === '1' ? '' : 's'}` };
}

function readArchivePlace(fields: Fields): ArchivePlace | null {
  const place = fields.required('to', readPlace, 'to: s3://archive/pulse');
  const endpoint = fields.optional('endpoint', readEndpoint);
  const format = fields.optional('format', readChoice(formats)) ?? 'csv';
  return place === null ? null : { place, endpoint, format };
}

function readPlace(raw: unknown): Reading<string> {
  const reading = readText(raw);
  const scheme = reading.ok ? schemeOf(reading.value) : null;
  return scheme === null || ['s3', 'file'].includes(scheme)
    ? reading
    : { ok: false, problem: 'must be a directory or s3://', hint: 'write for example s3://archive/pulse' };
}

/** Of a place that is a URL, in small letters; null for a path. */
export function schemeOf(place: string): string | null {
  return /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(place)?.[1]?.toLowerCase() ?? null;
}

/** A rule is recorded and shown as it is, so that no password may be part of it. */
function readEndpoint(raw: unknown): Reading<string> {
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : null;
  if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '') {
    return { ok: true, value: url.href };
  }
  return {
    ok: false,
    problem: 'must be a URL without user and password',
    hint: 'write for example https://s3.example.com; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  };
}

function readBatch(raw: unknown): Reading<number> {
  const reading = readCount(raw);
  return reading.ok && reading.value === 0
    ? { ok: false, problem: 'must be at least 1', hint: 'write for example 1000' }
    : reading;
}

function readColumns(raw: unknown): Reading<RetentionRule['columns']> {
  const section = sectionOf(raw);
  if (section === null || section.size === 0) {
    return { ok: false, problem: 'must say what becomes of each column', hint: 'write for example { value: avg }' };
  }
  const misfits: Misfit[] = [];
  const columns: (readonly [string, Aggregation])[] = [];
  for (const [column, value] of section) {
    const reading = readChoice(aggregations)(value);
    if (reading.ok) columns.push([column, reading.value]);
    else misfits.push({ problem: reading.problem, at: [column], ...(reading.hint && { hint: reading.hint }) });
  }
  return readingOf(misfits, columns);
}
