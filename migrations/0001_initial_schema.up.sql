-- Pulse: a team's activity on GitHub, the metrics and the risk score computed from it, and the people told about it.
--
-- Every id is text, so that rows made here (a random UUID) and rows made by Prisma (a CUID) live in one column.
-- Constraints keep the names PostgreSQL gives them (users_email_key and so on), which are those Prisma looks for.


-- ---- Extension ------------------------------------------------------------------------------------------------------

-- The comment is how the down file knows whose extension it is: one that was here before stays, untouched.
do $$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pgcrypto') then
    create extension pgcrypto;
    comment on extension pgcrypto is 'cryptographic functions; created by 0001_initial_schema';
  end if;
end
$$;


-- ---- Enumerated types -----------------------------------------------------------------------------------------------

create type user_role              as enum ('ADMIN', 'MEMBER', 'VIEWER');
create type sync_status            as enum ('idle', 'syncing', 'complete', 'error');
create type pr_state               as enum ('open', 'closed', 'merged');
create type review_state           as enum ('approved', 'changes_requested', 'commented', 'dismissed');
create type deployment_status      as enum ('pending', 'in_progress', 'success', 'failure', 'error');
create type deployment_environment as enum ('production', 'staging', 'development', 'preview');
create type metric_type            as enum (
  'prs_merged', 'median_cycle_time', 'median_review_time', 'test_coverage', 'avg_pr_size',
  'review_comments_per_pr', 'merge_without_approval_rate', 'commit_count', 'deployment_count'
);
create type anomaly_type           as enum (
  'commit_frequency_drop', 'stalled_pr', 'coverage_drop', 'risk_score_spike', 'review_load_imbalance'
);
create type anomaly_severity       as enum ('low', 'medium', 'high');
create type notification_type      as enum (
  'pr_review_requested', 'pr_reviewed', 'pr_merged', 'deployment', 'anomaly', 'risk_change'
);
create type device_platform        as enum ('ios', 'android');
create type risk_level             as enum ('low', 'medium', 'high');


-- ---- Function -------------------------------------------------------------------------------------------------------

create function update_updated_at_column() returns trigger
language plpgsql
as $$
begin
  -- Qualified: the caller's search_path decides nothing here.
  new.updated_at := pg_catalog.now();
  return new;
end
$$;

comment on function update_updated_at_column() is 'Sets updated_at to now before a row is updated.';


-- ---- People ---------------------------------------------------------------------------------------------------------

-- gen_random_uuid is qualified in every table because pgcrypto has a function of the same name: with a search_path
-- that names pg_catalog last, the defaults would hang on the extension.
create table users (
  id                     text        primary key default pg_catalog.gen_random_uuid()::text,
  email                  text        not null unique,
  password_hash          text,
  name                   text        not null,
  github_username        text        unique,
  github_token           text,
  avatar_url             text,
  timezone               text        default 'UTC',
  email_verified         boolean     default false,
  email_verify_token     text,
  email_verify_expires   timestamptz,
  password_reset_token   text,
  password_reset_expires timestamptz,
  created_at             timestamptz not null default now(),
  updated_at             timestamptz not null default now()
);

create index idx_users_email           on users (email);
create index idx_users_github_username on users (github_username) where github_username is not null;

create trigger tr_users_updated_at
  before update on users for each row execute function update_updated_at_column();

comment on table  users                        is 'People who sign in.';
comment on column users.password_hash          is 'Null for someone who signs in without a password.';
comment on column users.github_token           is 'Access token for GitHub. Secret.';
comment on column users.timezone               is 'IANA name of a time zone.';
comment on column users.email_verify_token     is 'Token of the confirmation mail. Secret.';
comment on column users.email_verify_expires   is 'When email_verify_token stops being accepted.';
comment on column users.password_reset_token   is 'Token of the mail that resets the password. Secret.';
comment on column users.password_reset_expires is 'When password_reset_token stops being accepted.';


create table teams (
  id         text        primary key default pg_catalog.gen_random_uuid()::text,
  name       text        not null,
  slug       text        not null unique,
  timezone   text        default 'UTC',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index idx_teams_slug on teams (slug);

create trigger tr_teams_updated_at
  before update on teams for each row execute function update_updated_at_column();

comment on table  teams          is 'Teams: whatever Pulse measures belongs to one.';
comment on column teams.slug     is 'The name of the team in addresses.';
comment on column teams.timezone is 'IANA name of a time zone.';


create table team_members (
  id        text        primary key default pg_catalog.gen_random_uuid()::text,
  user_id   text        not null references users (id) on delete cascade,
  team_id   text        not null references teams (id) on delete cascade,
  role      user_role   not null default 'MEMBER',
  joined_at timestamptz not null default now(),

  unique (user_id, team_id)
);

create index idx_team_members_user      on team_members (user_id);
create index idx_team_members_team      on team_members (team_id);
create index idx_team_members_team_role on team_members (team_id, role);

comment on table  team_members      is 'Who belongs to which team.';
comment on column team_members.role is 'What the person may do in this team.';


-- ---- Activity on GitHub ---------------------------------------------------------------------------------------------

create table repositories (
  id                text        primary key default pg_catalog.gen_random_uuid()::text,
  team_id           text        not null references teams (id) on delete cascade,
  github_id         bigint      not null,
  name              text        not null,
  full_name         text        not null,
  organization      text,
  language          text,
  default_branch    text        default 'main',
  is_private        boolean     default false,
  webhook_id        bigint,
  webhook_secret    text,
  sync_status       sync_status default 'idle',
  sync_progress     integer     default 0 check (sync_progress between 0 and 100),
  sync_started_at   timestamptz,
  sync_completed_at timestamptz,
  sync_error        text,
  last_activity_at  timestamptz,
  connected_at      timestamptz default now(),
  disconnected_at   timestamptz,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),

  -- Not github_id alone: two teams may follow one repository.
  unique (team_id, github_id)
);

create index idx_repos_team         on repositories (team_id);
create index idx_repos_github_id    on repositories (github_id);
create index idx_repos_team_sync    on repositories (team_id, sync_status);
create index idx_repos_disconnected on repositories (disconnected_at) where disconnected_at is not null;

create trigger tr_repos_updated_at
  before update on repositories for each row execute function update_updated_at_column();

comment on table  repositories                 is 'GitHub repositories that a team has connected.';
comment on column repositories.github_id       is 'The id GitHub gives the repository.';
comment on column repositories.full_name       is 'owner/name, as GitHub writes it.';
comment on column repositories.webhook_id      is 'The id GitHub gives the webhook that reports events to Pulse.';
comment on column repositories.webhook_secret  is 'Key that signs the webhook''s messages. Secret.';
comment on column repositories.sync_progress   is 'Per cent of the running synchronisation that is done.';
comment on column repositories.sync_error      is 'Why the last synchronisation failed.';
comment on column repositories.disconnected_at is 'When the team disconnected it; its rows are deleted 30 days later.';


create table commits (
  id                     text        primary key default pg_catalog.gen_random_uuid()::text,
  repo_id                text        not null references repositories (id) on delete cascade,
  sha                    text        not null,
  message                text        not null,
  author_github_username text,
  author_email           text,
  committed_at           timestamptz not null,
  additions              integer     default 0,
  deletions              integer     default 0,
  branch                 text,
  url                    text,
  created_at             timestamptz not null default now(),

  unique (repo_id, sha)
);

create index idx_commits_repo           on commits (repo_id);
create index idx_commits_repo_date      on commits (repo_id, committed_at desc);
create index idx_commits_author         on commits (author_github_username);
create index idx_commits_date           on commits (committed_at desc);
create index idx_commits_committed_brin on commits using brin (committed_at);

comment on table  commits                        is 'Commits pushed to a repository.';
comment on column commits.author_github_username is 'Null where GitHub knows no account for the author.';
comment on column commits.additions              is 'Lines added.';
comment on column commits.deletions              is 'Lines removed.';
comment on column commits.created_at             is 'When Pulse stored the row, not when the commit was made.';


create table pull_requests (
  id                     text        primary key default pg_catalog.gen_random_uuid()::text,
  repo_id                text        not null references repositories (id) on delete cascade,
  github_id              bigint      not null,
  number                 integer     not null,
  title                  text        not null,
  state                  pr_state    not null default 'open',
  author_github_username text,
  author_avatar_url      text,
  additions              integer     default 0,
  deletions              integer     default 0,
  commits_count          integer     default 0,
  is_draft               boolean     default false,
  created_at             timestamptz not null,
  updated_at             timestamptz not null,
  merged_at              timestamptz,
  closed_at              timestamptz,
  first_review_at        timestamptz,
  draft_removed_at       timestamptz,
  url                    text,
  ingested_at            timestamptz not null default now(),

  unique (repo_id, github_id)
);

create index idx_prs_repo           on pull_requests (repo_id);
create index idx_prs_repo_state     on pull_requests (repo_id, state);
create index idx_prs_repo_merged    on pull_requests (repo_id, merged_at desc) where merged_at is not null;
create index idx_prs_author         on pull_requests (author_github_username);
create index idx_prs_created        on pull_requests (created_at desc);
create index idx_prs_repo_created   on pull_requests (repo_id, created_at desc);
create index idx_prs_open_no_review on pull_requests (repo_id, created_at)
  where state = 'open' and first_review_at is null;
create index idx_prs_created_brin   on pull_requests using brin (created_at);

comment on table  pull_requests                  is 'Pull requests of a repository.';
comment on column pull_requests.github_id        is 'The id GitHub gives the pull request.';
comment on column pull_requests.number           is 'The number people know it by, counted within its repository.';
comment on column pull_requests.additions        is 'Lines added.';
comment on column pull_requests.deletions        is 'Lines removed.';
comment on column pull_requests.created_at       is 'When it was opened on GitHub.';
comment on column pull_requests.updated_at       is 'When it last changed on GitHub; no trigger touches it.';
comment on column pull_requests.draft_removed_at is 'When it was marked ready for review.';
comment on column pull_requests.ingested_at      is 'When Pulse stored the row.';


create table reviews (
  id                       text         primary key default pg_catalog.gen_random_uuid()::text,
  pr_id                    text         not null references pull_requests (id) on delete cascade,
  github_id                bigint       not null,
  reviewer_github_username text         not null,
  reviewer_avatar_url      text,
  state                    review_state not null,
  body                     text,
  submitted_at             timestamptz  not null,
  is_bot                   boolean      default false,
  created_at               timestamptz  not null default now(),

  unique (pr_id, github_id)
);

create index idx_reviews_pr        on reviews (pr_id);
create index idx_reviews_reviewer  on reviews (reviewer_github_username);
create index idx_reviews_submitted on reviews (submitted_at desc);
create index idx_reviews_pr_nonbot on reviews (pr_id, submitted_at) where not is_bot;

comment on table  reviews            is 'Reviews of a pull request.';
comment on column reviews.github_id  is 'The id GitHub gives the review.';
comment on column reviews.is_bot     is 'Written by a program, not by a person.';
comment on column reviews.created_at is 'When Pulse stored the row, not when the review was submitted.';


create table deployments (
  id          text                   primary key default pg_catalog.gen_random_uuid()::text,
  repo_id     text                   not null references repositories (id) on delete cascade,
  github_id   bigint                 not null,
  environment deployment_environment not null,
  status      deployment_status      not null default 'pending',
  commit_sha  text,
  description text,
  url         text,
  created_at  timestamptz            not null,
  updated_at  timestamptz            not null default now(),

  unique (repo_id, github_id)
);

create index idx_deployments_repo         on deployments (repo_id);
create index idx_deployments_repo_env     on deployments (repo_id, environment);
create index idx_deployments_repo_date    on deployments (repo_id, created_at desc);
create index idx_deployments_created_brin on deployments using brin (created_at);

comment on table  deployments            is 'Deployments of a repository.';
comment on column deployments.github_id  is 'The id GitHub gives the deployment.';
comment on column deployments.created_at is 'When it was started on GitHub.';


create table coverage_reports (
  id          text          primary key default pg_catalog.gen_random_uuid()::text,
  repo_id     text          not null references repositories (id) on delete cascade,
  commit_sha  text          not null,
  coverage    numeric(5, 1) not null check (coverage between 0 and 100),
  source      text          default 'github_checks',
  reported_at timestamptz   not null,
  created_at  timestamptz   not null default now(),

  unique (repo_id, commit_sha)
);

create index idx_coverage_repo          on coverage_reports (repo_id);
create index idx_coverage_repo_date     on coverage_reports (repo_id, reported_at desc);
create index idx_coverage_reported_brin on coverage_reports using brin (reported_at);

comment on table  coverage_reports            is 'Test coverage reported for a commit.';
comment on column coverage_reports.coverage   is 'Per cent of the code that tests reach.';
comment on column coverage_reports.source     is 'Where the report came from.';
comment on column coverage_reports.created_at is 'When Pulse stored the row, not when the report was made.';


-- ---- Metrics and risk -----------------------------------------------------------------------------------------------

create table metric_snapshots (
  id           text        primary key default pg_catalog.gen_random_uuid()::text,
  team_id      text        not null references teams (id) on delete cascade,
  repo_id      text        references repositories (id) on delete cascade,
  metric       metric_type not null,
  value        numeric     not null,
  period_start timestamptz not null,
  period_end   timestamptz not null,
  metadata     jsonb,
  computed_at  timestamptz not null default now()
);

create index idx_metrics_team               on metric_snapshots (team_id);
create index idx_metrics_team_metric        on metric_snapshots (team_id, metric);
create index idx_metrics_team_metric_period on metric_snapshots (team_id, metric, period_start desc);
create index idx_metrics_repo_metric_period on metric_snapshots (repo_id, metric, period_start desc)
  where repo_id is not null;
create index idx_metrics_team_period        on metric_snapshots (team_id, period_start desc, period_end);

comment on table  metric_snapshots          is 'Values of metrics, each over one period.';
comment on column metric_snapshots.repo_id  is 'Null where the value is of the whole team.';
comment on column metric_snapshots.value    is 'In the unit of its metric.';
comment on column metric_snapshots.metadata is 'Whatever else the computation of this metric wants to keep.';


create table risk_snapshots (
  id              text        primary key default pg_catalog.gen_random_uuid()::text,
  team_id         text        not null references teams (id) on delete cascade,
  score           integer     not null check (score between 0 and 100),
  level           risk_level  not null,
  explanation     text        not null,
  factors         jsonb       not null,
  recommendations jsonb,
  calculated_at   timestamptz not null default now()
);

create index idx_risk_team      on risk_snapshots (team_id);
create index idx_risk_team_date on risk_snapshots (team_id, calculated_at desc);
create index idx_risk_latest    on risk_snapshots (team_id, calculated_at desc);

comment on table  risk_snapshots         is 'The risk score of a team at one moment, and what led to it.';
comment on column risk_snapshots.score   is '0 is no risk, 100 the highest.';
comment on column risk_snapshots.factors is 'What the score was made of.';


-- ---- Telling people -------------------------------------------------------------------------------------------------

create table notifications (
  id           text              primary key default pg_catalog.gen_random_uuid()::text,
  user_id      text              not null references users (id) on delete cascade,
  type         notification_type not null,
  title        text              not null,
  body         text              not null,
  data         jsonb,
  read         boolean           default false,
  dismissed    boolean           default false,
  delivered    boolean           default false,
  queued_until timestamptz,
  created_at   timestamptz       not null default now()
);

create index idx_notifications_user        on notifications (user_id);
create index idx_notifications_user_unread on notifications (user_id, created_at desc) where not read;
create index idx_notifications_user_date   on notifications (user_id, created_at desc);
create index idx_notifications_queued      on notifications (queued_until)
  where queued_until is not null and not delivered;
create index idx_notifications_created     on notifications (created_at);

comment on table  notifications              is 'Messages to one person; kept for 30 days.';
comment on column notifications.data         is 'What the app needs to open the thing the message is about.';
comment on column notifications.delivered    is 'Handed to the push service.';
comment on column notifications.queued_until is 'Held back until then, for the person''s quiet hours.';


create table notification_preferences (
  id                  text        primary key default pg_catalog.gen_random_uuid()::text,
  user_id             text        not null unique references users (id) on delete cascade,
  pr_review_requested boolean     default true,
  pr_reviewed_merged  boolean     default true,
  deployment_events   boolean     default true,
  anomaly_alerts      boolean     default true,
  risk_changes        boolean     default true,
  quiet_hours_start   time,
  quiet_hours_end     time,
  email_digest        text        default 'none' check (email_digest in ('none', 'daily', 'weekly')),
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now()
);

create index idx_notif_prefs_user on notification_preferences (user_id);

create trigger tr_notif_prefs_updated_at
  before update on notification_preferences for each row execute function update_updated_at_column();

comment on table  notification_preferences                   is 'What a person wants to be told, and when not.';
comment on column notification_preferences.quiet_hours_start is 'In the person''s own time zone.';
comment on column notification_preferences.quiet_hours_end   is 'In the person''s own time zone; before the start means the next day.';
comment on column notification_preferences.email_digest      is 'How often a summary is mailed.';


create table device_tokens (
  id           text            primary key default pg_catalog.gen_random_uuid()::text,
  user_id      text            not null references users (id) on delete cascade,
  platform     device_platform not null,
  token        text            not null,
  last_used_at timestamptz     default now(),
  created_at   timestamptz     not null default now(),

  unique (user_id, token)
);

create index idx_device_tokens_user  on device_tokens (user_id);
-- The whole column: "older than 30 days" cannot be the predicate of an index, since now() is not immutable.
create index idx_device_tokens_stale on device_tokens (last_used_at);

comment on table  device_tokens              is 'Phones and tablets that receive push messages.';
comment on column device_tokens.token        is 'The address the push service gave the device. Secret.';
comment on column device_tokens.last_used_at is 'The row is deleted 30 days after this.';


-- ---- Access ---------------------------------------------------------------------------------------------------------

create table team_invitations (
  id          text        primary key default pg_catalog.gen_random_uuid()::text,
  team_id     text        not null references teams (id) on delete cascade,
  email       text        not null,
  role        user_role   not null default 'MEMBER',
  invited_by  text        not null references users (id) on delete cascade,
  token       text        not null unique,
  accepted_at timestamptz,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now(),

  unique (team_id, email)
);

create index idx_invitations_team  on team_invitations (team_id);
create index idx_invitations_email on team_invitations (email);
create index idx_invitations_token on team_invitations (token);

comment on table  team_invitations             is 'Invitations to join a team.';
comment on column team_invitations.role        is 'What the person may do in the team once the invitation is accepted.';
comment on column team_invitations.token       is 'What the link in the mail carries. Secret.';
comment on column team_invitations.accepted_at is 'Null while the invitation is open.';


create table refresh_tokens (
  id         text        primary key default pg_catalog.gen_random_uuid()::text,
  user_id    text        not null references users (id) on delete cascade,
  token_hash text        not null unique,
  expires_at timestamptz not null,
  revoked    boolean     default false,
  created_at timestamptz not null default now()
);

create index idx_refresh_user    on refresh_tokens (user_id);
create index idx_refresh_token   on refresh_tokens (token_hash);
create index idx_refresh_expired on refresh_tokens (expires_at) where not revoked;

comment on table  refresh_tokens            is 'Sessions that may be renewed; deleted 7 days after they expire.';
comment on column refresh_tokens.token_hash is 'Only the hash is kept: a copy of this table opens no session.';
comment on column refresh_tokens.revoked    is 'Ended before its time, as by signing out.';


-- ---- Record and jobs ------------------------------------------------------------------------------------------------

-- No foreign keys: the record outlives what it is about.
create table audit_logs (
  id            text        primary key default pg_catalog.gen_random_uuid()::text,
  actor         text        not null,
  action        text        not null,
  resource_type text        not null,
  resource_id   text        not null,
  details       jsonb,
  ip            text,
  user_agent    text,
  timestamp     timestamptz not null default now()
);

create index idx_audit_actor     on audit_logs (actor);
create index idx_audit_action    on audit_logs (action);
create index idx_audit_resource  on audit_logs (resource_type, resource_id);
create index idx_audit_timestamp on audit_logs (timestamp desc);

comment on table  audit_logs               is 'Who did what to which thing, kept for ever.';
comment on column audit_logs.actor         is 'A person, or the part of Pulse that acted by itself.';
comment on column audit_logs.resource_type is 'The kind of thing that resource_id names.';


create table job_state (
  job_name          text        primary key,
  last_processed_at timestamptz not null default now(),
  last_duration_ms  integer,
  last_status       text        default 'success',
  last_error        text,
  updated_at        timestamptz not null default now()
);

create trigger tr_job_state_updated_at
  before update on job_state for each row execute function update_updated_at_column();

comment on table  job_state                   is 'How far each background job has come; one row a job.';
comment on column job_state.last_processed_at is 'Everything up to here is done; the next run starts from it.';
comment on column job_state.last_error        is 'Why the last run failed.';

-- Far enough back that every job is due as soon as Pulse first looks.
insert into job_state (job_name, last_processed_at) values
  ('metric_aggregation', now() - interval '2 hours'),
  ('risk_calculation',   now() - interval '5 hours'),
  ('anomaly_detection',  now() - interval '20 minutes'),
  ('github_sync',        now() - interval '35 minutes'),
  ('data_cleanup',       now() - interval '25 hours');
