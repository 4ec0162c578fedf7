-- Up Migration

-- A run may wait for a person's answer, and so may its nodes that asked.
alter table causeway.run drop constraint run_status_check, add constraint run_status_check check (status in ('running', 'waiting', 'completed', 'failed', 'cancelled'));
alter table causeway.run_node drop constraint run_node_status_check, add constraint run_node_status_check check (status in ('completed', 'failed', 'skipped', 'cancelled', 'waiting'));
alter table causeway.run_node alter column finished_at drop not null;
