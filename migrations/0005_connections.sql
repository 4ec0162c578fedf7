-- Up Migration

-- Names of the workspace's connections. Their secrets are sealed in the Authority and never here.
create table causeway.connection (
  workspace text not null,
  id text not null,
  name text not null,
  kind text not null,
  origin text not null,
  created_at timestamptz not null default now(),
  primary key (workspace, id),
  unique (workspace, name)
);
select causeway.isolate('causeway.connection');
