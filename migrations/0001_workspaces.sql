-- Up Migration

create schema if not exists causeway;

-- Roles belong to the whole server, so another database of it may have made them already.
-- The gateway's login role is a member of both and owns nothing; on Neon it is made by SQL, because console roles bypass row security.
do $$
begin
  if not exists (select from pg_roles where rolname = 'causeway_app') then
    create role causeway_app nologin nosuperuser nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'causeway_directory') then
    create role causeway_directory nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant causeway_app, causeway_directory to current_user;
grant usage on schema causeway to causeway_app, causeway_directory;

-- The workspace of this transaction; null outside of one.
create function causeway.current_workspace() returns text
  language sql stable parallel safe
  return nullif(current_setting('causeway.workspace', true), '');

-- Makes a table with a column "workspace" visible to the application one workspace at a time.
create function causeway.isolate(target regclass) returns void
  language plpgsql
as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  -- the sub-select makes the check an init-plan: evaluated once per query, not once per row
  execute format(
    'create policy workspace on %s to causeway_app using (workspace = (select causeway.current_workspace())) with check (workspace = (select causeway.current_workspace()))',
    target
  );
  execute format('grant select, insert, update, delete on %s to causeway_app', target);
end
$$;

create table causeway.workspace (
  id text primary key,
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  name text not null,
  hosts text[] not null default '{}',
  created_at timestamptz not null default now()
);

-- The directory: a workspace sees its own row; only the operator's context sees and writes them all.
alter table causeway.workspace enable row level security;
alter table causeway.workspace force row level security;
create policy own on causeway.workspace for select to causeway_app using (id = (select causeway.current_workspace()));
create policy directory on causeway.workspace to causeway_directory using (true) with check (true);
grant select on causeway.workspace to causeway_app;
grant select, insert, update, delete on causeway.workspace to causeway_directory;
