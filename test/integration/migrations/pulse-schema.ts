/**
 * Pulse's schema as its plan states it, written down apart from the migration that creates it.
 * `!` is NOT NULL, `=x` a default, `->` a foreign key (ON DELETE CASCADE, as all are), tstz is timestamptz.
 */
export interface TableFacts {
  /** After `id text!`, the primary key, which every table but job_state has. */
  readonly columns: string;
  readonly unique?: readonly string[];
  readonly check?: string;
}

export const enums: Readonly<Record<string, string>> = {
  user_role: 'ADMIN, MEMBER, VIEWER',
  sync_status: 'idle, syncing, complete, error',
  pr_state: 'open, closed, merged',
  review_state: 'approved, changes_requested, commented, dismissed',
  deployment_status: 'pending, in_progress, success, failure, error',
  deployment_environment: 'production, staging, development, preview',
  metric_type:
    'prs_merged, median_cycle_time, median_review_time, test_coverage, avg_pr_size, review_comments_per_pr, merge_without_approval_rate, commit_count, deployment_count',
  anomaly_type: 'commit_frequency_drop, stalled_pr, coverage_drop, risk_score_spike, review_load_imbalance',
  anomaly_severity: 'low, medium, high',
  notification_type: 'pr_review_requested, pr_reviewed, pr_merged, deployment, anomaly, risk_change',
  device_platform: 'ios, android',
  risk_level: 'low, medium, high',
};

export const tables: Readonly<Record<string, TableFacts>> = {
  users: {
    columns: `email text!, password_hash text, name text!, github_username text, github_token text, avatar_url text, timezone text ='UTC',
      email_verified bool =false, email_verify_token text, email_verify_expires tstz, password_reset_token text,
      password_reset_expires tstz, created_at tstz! =now, updated_at tstz! =now`,
    unique: ['email', 'github_username'],
  },
  teams: {
    columns: `name text!, slug text!, timezone text ='UTC', created_at tstz! =now, updated_at tstz! =now`,
    unique: ['slug'],
  },
  team_members: {
    columns: `user_id -> users!, team_id -> teams!, role user_role! ='MEMBER', joined_at tstz! =now`,
    unique: ['user_id, team_id'],
  },
  repositories: {
    columns: `team_id -> teams!, github_id bigint!, name text!, full_name text!, organization text, language text,
      default_branch text ='main', is_private bool =false, webhook_id bigint, webhook_secret text, sync_status sync_status ='idle',
      sync_progress int =0, sync_started_at tstz, sync_completed_at tstz, sync_error text, last_activity_at tstz,
      connected_at tstz =now, disconnected_at tstz, created_at tstz! =now, updated_at tstz! =now`,
    unique: ['team_id, github_id'],
    check: '(sync_progress >= 0) AND (sync_progress <= 100)',
  },
  commits: {
    columns: `repo_id -> repositories!, sha text!, message text!, author_github_username text, author_email text, committed_at tstz!,
      additions int =0, deletions int =0, branch text, url text, created_at tstz! =now`,
    unique: ['repo_id, sha'],
  },
  pull_requests: {
    columns: `repo_id -> repositories!, github_id bigint!, number int!, title text!, state pr_state! ='open', author_github_username text,
      author_avatar_url text, additions int =0, deletions int =0, commits_count int =0, is_draft bool =false, created_at tstz!,
      updated_at tstz!, merged_at tstz, closed_at tstz, first_review_at tstz, draft_removed_at tstz, url text, ingested_at tstz! =now`,
    unique: ['repo_id, github_id'],
  },
  reviews: {
    columns: `pr_id -> pull_requests!, github_id bigint!, reviewer_github_username text!, reviewer_avatar_url text, state review_state!,
      body text, submitted_at tstz!, is_bot bool =false, created_at tstz! =now`,
    unique: ['pr_id, github_id'],
  },
  deployments: {
    columns: `repo_id -> repositories!, github_id bigint!, environment deployment_environment!, status deployment_status! ='pending',
      commit_sha text, description text, url text, created_at tstz!, updated_at tstz! =now`,
    unique: ['repo_id, github_id'],
  },
  coverage_reports: {
    columns: `repo_id -> repositories!, commit_sha text!, coverage numeric(5.1)!, source text ='github_checks', reported_at tstz!,
      created_at tstz! =now`,
    unique: ['repo_id, commit_sha'],
    check: '(coverage >= (0)::numeric) AND (coverage <= (100)::numeric)',
  },
  metric_snapshots: {
    columns: `team_id -> teams!, repo_id -> repositories, metric metric_type!, value numeric!, period_start tstz!, period_end tstz!,
      metadata jsonb, computed_at tstz! =now`,
  },
  risk_snapshots: {
    columns: `team_id -> teams!, score int!, level risk_level!, explanation text!, factors jsonb!, recommendations jsonb,
      calculated_at tstz! =now`,
    check: '(score >= 0) AND (score <= 100)',
  },
  notifications: {
    columns: `user_id -> users!, type notification_type!, title text!, body text!, data jsonb, read bool =false, dismissed bool =false,
      delivered bool =false, queued_until tstz, created_at tstz! =now`,
  },
  notification_preferences: {
    columns: `user_id -> users!, pr_review_requested bool =true, pr_reviewed_merged bool =true, deployment_events bool =true,
      anomaly_alerts bool =true, risk_changes bool =true, quiet_hours_start time, quiet_hours_end time, email_digest text ='none',
      created_at tstz! =now, updated_at tstz! =now`,
    unique: ['user_id'],
    check: `email_digest = ANY (ARRAY['none'::text, 'daily'::text, 'weekly'::text])`,
  },
  device_tokens: {
    columns: `user_id -> users!, platform device_platform!, token text!, last_used_at tstz =now, created_at tstz! =now`,
    unique: ['user_id, token'],
  },
  team_invitations: {
    columns: `team_id -> teams!, email text!, role user_role! ='MEMBER', invited_by -> users!, token text!, accepted_at tstz,
      expires_at tstz!, created_at tstz! =now`,
    unique: ['token', 'team_id, email'],
  },
  refresh_tokens: {
    columns: `user_id -> users!, token_hash text!, expires_at tstz!, revoked bool =false, created_at tstz! =now`,
    unique: ['token_hash'],
  },
  audit_logs: {
    columns: `actor text!, action text!, resource_type text!, resource_id text!, details jsonb, ip text, user_agent text,
      timestamp tstz! =now`,
  },
  job_state: {
    columns: `job_name text!, last_processed_at tstz! =now, last_duration_ms int, last_status text ='success', last_error text,
      updated_at tstz! =now`,
  },
};

/** `name: table, what follows USING`. */
export const indexes: readonly string[] = [
  'idx_users_email: users btree (email)',
  'idx_users_github_username: users btree (github_username) WHERE (github_username IS NOT NULL)',
  'idx_teams_slug: teams btree (slug)',
  'idx_team_members_user: team_members btree (user_id)',
  'idx_team_members_team: team_members btree (team_id)',
  'idx_team_members_team_role: team_members btree (team_id, role)',
  'idx_repos_team: repositories btree (team_id)',
  'idx_repos_github_id: repositories btree (github_id)',
  'idx_repos_team_sync: repositories btree (team_id, sync_status)',
  'idx_repos_disconnected: repositories btree (disconnected_at) WHERE (disconnected_at IS NOT NULL)',
  'idx_commits_repo: commits btree (repo_id)',
  'idx_commits_repo_date: commits btree (repo_id, committed_at DESC)',
  'idx_commits_author: commits btree (author_github_username)',
  'idx_commits_date: commits btree (committed_at DESC)',
  'idx_commits_committed_brin: commits brin (committed_at)',
  'idx_prs_repo: pull_requests btree (repo_id)',
  'idx_prs_repo_state: pull_requests btree (repo_id, state)',
  'idx_prs_repo_merged: pull_requests btree (repo_id, merged_at DESC) WHERE (merged_at IS NOT NULL)',
  'idx_prs_author: pull_requests btree (author_github_username)',
  'idx_prs_created: pull_requests btree (created_at DESC)',
  'idx_prs_repo_created: pull_requests btree (repo_id, created_at DESC)',
  `idx_prs_open_no_review: pull_requests btree (repo_id, created_at) WHERE ((state = 'open'::pr_state) AND (first_review_at IS NULL))`,
  'idx_prs_created_brin: pull_requests brin (created_at)',
  'idx_reviews_pr: reviews btree (pr_id)',
  'idx_reviews_reviewer: reviews btree (reviewer_github_username)',
  'idx_reviews_submitted: reviews btree (submitted_at DESC)',
  'idx_reviews_pr_nonbot: reviews btree (pr_id, submitted_at) WHERE (NOT is_bot)',
  'idx_deployments_repo: deployments btree (repo_id)',
  'idx_deployments_repo_env: deployments btree (repo_id, environment)',
  'idx_deployments_repo_date: deployments btree (repo_id, created_at DESC)',
  'idx_deployments_created_brin: deployments brin (created_at)',
  'idx_coverage_repo: coverage_reports btree (repo_id)',
  'idx_coverage_repo_date: coverage_reports btree (repo_id, reported_at DESC)',
  'idx_coverage_reported_brin: coverage_reports brin (reported_at)',
  'idx_metrics_team: metric_snapshots btree (team_id)',
  'idx_metrics_team_metric: metric_snapshots btree (team_id, metric)',
  'idx_metrics_team_metric_period: metric_snapshots btree (team_id, metric, period_start DESC)',
  'idx_metrics_repo_metric_period: metric_snapshots btree (repo_id, metric, period_start DESC) WHERE (repo_id IS NOT NULL)',
  'idx_metrics_team_period: metric_snapshots btree (team_id, period_start DESC, period_end)',
  'idx_risk_team: risk_snapshots btree (team_id)',
  'idx_risk_team_date: risk_snapshots btree (team_id, calculated_at DESC)',
  'idx_risk_latest: risk_snapshots btree (team_id, calculated_at DESC)',
  'idx_notifications_user: notifications btree (user_id)',
  'idx_notifications_user_unread: notifications btree (user_id, created_at DESC) WHERE (NOT read)',
  'idx_notifications_user_date: notifications btree (user_id, created_at DESC)',
  'idx_notifications_queued: notifications btree (queued_until) WHERE ((queued_until IS NOT NULL) AND (NOT delivered))',
  'idx_notifications_created: notifications btree (created_at)',
  'idx_notif_prefs_user: notification_preferences btree (user_id)',
  'idx_device_tokens_user: device_tokens btree (user_id)',
  'idx_device_tokens_stale: device_tokens btree (last_used_at)',
  'idx_invitations_team: team_invitations btree (team_id)',
  'idx_invitations_email: team_invitations btree (email)',
  'idx_invitations_token: team_invitations btree (token)',
  'idx_refresh_user: refresh_tokens btree (user_id)',
  'idx_refresh_token: refresh_tokens btree (token_hash)',
  'idx_refresh_expired: refresh_tokens btree (expires_at) WHERE (NOT revoked)',
  'idx_audit_actor: audit_logs btree (actor)',
  'idx_audit_action: audit_logs btree (action)',
  'idx_audit_resource: audit_logs btree (resource_type, resource_id)',
  'idx_audit_timestamp: audit_logs btree ("timestamp" DESC)',
];

/** Trigger and table. */
export const triggers: Readonly<Record<string, string>> = {
  tr_users_updated_at: 'users',
  tr_teams_updated_at: 'teams',
  tr_repos_updated_at: 'repositories',
  tr_notif_prefs_updated_at: 'notification_preferences',
  tr_job_state_updated_at: 'job_state',
};

/** How far each job's last_processed_at lies in the past, minutes. */
export const jobs: Readonly<Record<string, number>> = {
  metric_aggregation: 120,
  risk_calculation: 300,
  anomaly_detection: 20,
  github_sync: 35,
  data_cleanup: 1500,
};

const spelledOut: Readonly<Record<string, string>> = {
  bool: 'boolean',
  int: 'integer',
  time: 'time without time zone',
  tstz: 'timestamp with time zone',
  // The list of columns is split at its commas.
  'numeric(5.1)': 'numeric(5,1)',
};

/** Every column as `table.column type [not null] [default]`, in order, the way format_type() and pg_get_expr() say it. */
export function expectedColumns(): string[] {
  return Object.entries(tables).flatMap(([table, { columns }]) => {
    const own = columns.split(',').map((column) => expectedColumn(table, column.trim()));
    return table === 'job_state' ? own : [`${table}.id text not null (gen_random_uuid())::text`, ...own];
  });
}

function expectedColumn(table: string, notation: string): string {
  const [, name, type = '', required, fallback] = /^(\w+) (-> \w+|[\w().]+)(!?)(?: =(.+))?$/.exec(notation) ?? [];
  if (name === undefined) throw new Error(`not the notation of a column: ${notation}`);
  const typeName = type.startsWith('->') ? 'text' : (spelledOut[type] ?? type);
  const value = fallback === 'now' ? 'now()' : fallback?.startsWith("'") ? `${fallback}::${typeName}` : fallback;
  return [`${table}.${name}`, typeName, required && 'not null', value].filter(Boolean).join(' ');
}

/** Every foreign key as `table.column -> table`. */
export function expectedForeignKeys(): string[] {
  return Object.entries(tables).flatMap(([table, { columns }]) =>
    [...columns.matchAll(/(\w+) -> (\w+)/g)].map(([, column, target]) => `${table}.${column} -> ${target}`),
  );
}
