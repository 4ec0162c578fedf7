-- Up Migration

-- The catalog as people edit it. Publishing compiles these rows into a snapshot; no call reads them.

-- A remote MCP server. `connection` names a credential in the Authority; `revision` and `era_at` say what the last probe found.
create table causeway.upstream (
  workspace text not null references causeway.workspace (id) on delete cascade,
  id text not null,
  slug text not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$'),
  url text not null,
  connection text,
  revision text,
  era_at timestamptz,
  capabilities jsonb not null default '{}',
  instructions text,
  timeout_ms integer not null default 300000 check (timeout_ms > 0),
  concurrency integer not null default 16 check (concurrency > 0),
  check_output boolean not null default false,
  synced_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (workspace, id),
  unique (workspace, slug)
);
select causeway.isolate('causeway.upstream');

-- `name` is what clients see; it is chosen once and kept. `source` is what the target itself calls the tool.
-- `definition` is the approved text as it was received, byte for byte (hence text: jsonb would rewrite it); null: never approved.
-- `candidate` is what the upstream shows now and nobody has approved. `gone`: the upstream shows it no more; the row keeps name and settings.
create table causeway.tool (
  workspace text not null references causeway.workspace (id) on delete cascade,
  name text not null check (name ~ '^[A-Za-z0-9_-]{1,64}$'),
  upstream text,
  source text not null,
  target jsonb not null,
  definition text,
  pin text,
  candidate text,
  candidate_pin text,
  description text,
  enabled boolean not null default true,
  gone boolean not null default false,
  check_output boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (workspace, name),
  foreign key (workspace, upstream) references causeway.upstream (workspace, id) on delete cascade,
  check ((definition is null) = (pin is null)),
  check ((candidate is null) = (candidate_pin is null))
);
create unique index tool_by_source on causeway.tool (workspace, coalesce(upstream, target ->> 'kind'), source);
select causeway.isolate('causeway.tool');

-- In these three `name` is the exposed name, URI or URI template, `source` the target's own.
create table causeway.resource (
  workspace text not null references causeway.workspace (id) on delete cascade,
  name text not null,
  upstream text,
  source text not null,
  target jsonb not null,
  definition text not null,
  primary key (workspace, name),
  foreign key (workspace, upstream) references causeway.upstream (workspace, id) on delete cascade
);
create unique index resource_by_source on causeway.resource (workspace, coalesce(upstream, target ->> 'kind'), source);
select causeway.isolate('causeway.resource');

create table causeway.resource_template (
  workspace text not null references causeway.workspace (id) on delete cascade,
  name text not null,
  upstream text,
  source text not null,
  target jsonb not null,
  definition text not null,
  primary key (workspace, name),
  foreign key (workspace, upstream) references causeway.upstream (workspace, id) on delete cascade
);
create unique index resource_template_by_source on causeway.resource_template (workspace, coalesce(upstream, target ->> 'kind'), source);
select causeway.isolate('causeway.resource_template');

create table causeway.prompt (
  workspace text not null references causeway.workspace (id) on delete cascade,
  name text not null check (name ~ '^[A-Za-z0-9_-]{1,64}$'),
  upstream text,
  source text not null,
  target jsonb not null,
  definition text not null,
  primary key (workspace, name),
  foreign key (workspace, upstream) references causeway.upstream (workspace, id) on delete cascade
);
create unique index prompt_by_source on causeway.prompt (workspace, coalesce(upstream, target ->> 'kind'), source);
select causeway.isolate('causeway.prompt');

-- A named subset with an endpoint of its own; with `upstream` it is that upstream one to one.
create table causeway.toolset (
  workspace text not null references causeway.workspace (id) on delete cascade,
  slug text not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  upstream text,
  created_at timestamptz not null default now(),
  primary key (workspace, slug),
  foreign key (workspace, upstream) references causeway.upstream (workspace, id) on delete cascade
);
select causeway.isolate('causeway.toolset');

create table causeway.toolset_tool (
  workspace text not null,
  toolset text not null,
  tool text not null,
  primary key (workspace, toolset, tool),
  foreign key (workspace, toolset) references causeway.toolset (workspace, slug) on delete cascade,
  foreign key (workspace, tool) references causeway.tool (workspace, name) on update cascade on delete cascade
);
select causeway.isolate('causeway.toolset_tool');

-- A name that a tool had before: it still reaches the tool until then.
create table causeway.tombstone (
  workspace text not null,
  old_name text not null,
  name text not null,
  until timestamptz not null,
  primary key (workspace, old_name),
  foreign key (workspace, name) references causeway.tool (workspace, name) on update cascade on delete cascade
);
select causeway.isolate('causeway.tombstone');

create table causeway.rule (
  workspace text not null references causeway.workspace (id) on delete cascade,
  id text not null,
  position integer not null,
  body jsonb not null,
  primary key (workspace, id)
);
select causeway.isolate('causeway.rule');

-- What holds for the whole catalog; no row: the defaults.
create table causeway.catalog_setting (
  workspace text primary key references causeway.workspace (id) on delete cascade,
  default_effect text not null default 'allow' check (default_effect in ('allow', 'deny')),
  limits jsonb not null default '{}',
  instructions text
);
select causeway.isolate('causeway.catalog_setting');

-- Every version that was published, by the Authority's number; the texts lie in R2 under the hash.
create table causeway.snapshot_version (
  workspace text not null references causeway.workspace (id) on delete cascade,
  number bigint not null,
  hash text not null,
  published_at timestamptz not null,
  by text not null,
  tools integer not null,
  primary key (workspace, number)
);
select causeway.isolate('causeway.snapshot_version');
