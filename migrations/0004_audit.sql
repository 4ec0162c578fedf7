-- Up Migration

-- One row per accepted call and per change. `id` is minted when the call is accepted; `seq`, `prev_hash` and `hash`
-- chain the rows of a workspace, assigned here so that no writer can skip or reorder.
create table causeway.audit (
  workspace text not null,
  id text not null,
  seq bigint not null,
  prev_hash text not null,
  hash text not null,
  at timestamptz not null,
  type text not null,
  principal text not null,
  method text not null,
  name text,
  outcome text,
  record jsonb not null,
  primary key (workspace, id),
  unique (workspace, seq)
);
create index audit_by_time on causeway.audit (workspace, at desc);
select causeway.isolate('causeway.audit');
-- What is written stays as it is.
revoke update, delete on causeway.audit from causeway_app;

create table causeway.audit_head (
  workspace text primary key,
  seq bigint not null,
  hash text not null
);
select causeway.isolate('causeway.audit_head');

-- Appends records to the current workspace's chain; a record that is already there is left out, so a redelivered
-- batch changes nothing. Returns how many rows are new.
create function causeway.append_audit(records jsonb) returns integer
language plpgsql as $$
declare
  here text := causeway.current_workspace();
  head causeway.audit_head;
  entry jsonb;
  appended integer := 0;
begin
  insert into causeway.audit_head (workspace, seq, hash) values (here, 0, '') on conflict do nothing;
  select * into head from causeway.audit_head where workspace = here for update;
  for entry in
    select value from jsonb_array_elements(records) with ordinality
    where not exists (select 1 from causeway.audit a where a.workspace = here and a.id = value ->> 'id')
    order by ordinality
  loop
    insert into causeway.audit (workspace, id, seq, prev_hash, hash, at, type, principal, method, name, outcome, record)
    values (
      here, entry ->> 'id', head.seq + 1, head.hash,
      encode(sha256(convert_to(head.hash || entry::text, 'UTF8')), 'hex'),
      to_timestamp((entry ->> 'at')::double precision / 1000),
      entry ->> 'type', entry ->> 'principal',
      coalesce(entry ->> 'method', entry ->> 'action'), coalesce(entry ->> 'name', entry ->> 'subject'), entry ->> 'end', entry
    )
    on conflict do nothing;
    if found then
      head.seq := head.seq + 1;
      head.hash := encode(sha256(convert_to(head.hash || entry::text, 'UTF8')), 'hex');
      appended := appended + 1;
    end if;
  end loop;
  update causeway.audit_head set seq = head.seq, hash = head.hash where workspace = here;
  return appended;
end $$;
grant execute on function causeway.append_audit(jsonb) to causeway_app;
