-- Undoes 0001_initial_schema, last made first. Nothing cascades: if anything else has come to depend on these tables,
-- types or functions, PostgreSQL names it and the whole file is rolled back.

drop table job_state;
drop table audit_logs;

drop table refresh_tokens;
drop table team_invitations;

drop table device_tokens;
drop table notification_preferences;
drop table notifications;

drop table risk_snapshots;
drop table metric_snapshots;

drop table coverage_reports;
drop table deployments;
drop table reviews;
drop table pull_requests;
drop table commits;
drop table repositories;

drop table team_members;
drop table teams;
drop table users;

drop type risk_level;
drop type device_platform;
drop type notification_type;
drop type anomaly_severity;
drop type anomaly_type;
drop type metric_type;
drop type deployment_environment;
drop type deployment_status;
drop type review_state;
drop type pr_state;
drop type sync_status;
drop type user_role;

drop function update_updated_at_column();

-- Only the extension that the up file created carries its comment; one that was here before stays.
do $$
begin
  if exists (
    select
    from pg_catalog.pg_extension
    where extname = 'pgcrypto'
      and pg_catalog.obj_description(oid, 'pg_extension') = 'cryptographic functions; created by 0001_initial_schema'
  ) then
    drop extension pgcrypto;
  end if;
end
$$;
