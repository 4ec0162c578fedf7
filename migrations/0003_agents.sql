-- Up Migration

create table causeway.agent (
  workspace text not null references causeway.workspace (id) on delete cascade,
  id text not null,
  slug text not null,
  name text not null,
  description text not null,
  status text not null default 'active' check (status in ('draft', 'active', 'paused', 'archived')),
  active_version text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (workspace, id),
  unique (workspace, slug)
);
select causeway.isolate('causeway.agent');

-- Immutable. `definition` is json, not jsonb: it comes back as its author wrote it, in that order.
create table causeway.agent_version (
  workspace text not null,
  id text not null,
  agent text not null,
  number integer not null,
  hash text not null,
  flow_hash text not null,
  definition json not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (workspace, id),
  unique (workspace, agent, number),
  foreign key (workspace, agent) references causeway.agent (workspace, id) on delete cascade
);
select causeway.isolate('causeway.agent_version');

-- No references to agents: a run outlives what it ran. Traced values are json, which unlike jsonb takes any text JSON can hold (U+0000 too).
create table causeway.run (
  workspace text not null references causeway.workspace (id) on delete cascade,
  id text not null,
  agent text not null,
  version text not null,
  call text not null,
  principal text not null,
  principal_name text not null,
  status text not null check (status in ('running', 'completed', 'failed', 'cancelled')),
  started_at timestamptz not null,
  finished_at timestamptz,
  input json,
  output json,
  error json,
  primary key (workspace, id)
);
create index run_by_agent on causeway.run (workspace, agent, id desc);
select causeway.isolate('causeway.run');

create table causeway.run_node (
  workspace text not null,
  run text not null,
  node text not null,
  position integer not null,
  type text not null,
  status text not null check (status in ('completed', 'failed', 'skipped', 'cancelled')),
  started_at timestamptz not null,
  finished_at timestamptz not null,
  attempts integer not null,
  items integer,
  input json,
  output json,
  error json,
  calls text[] not null default '{}',
  primary key (workspace, run, node),
  foreign key (workspace, run) references causeway.run (workspace, id) on delete cascade
);
select causeway.isolate('causeway.run_node');
