-- Up Migration

-- Whether a legacy upstream's tool asks its client in the middle of a call: such calls run in an object that can keep them waiting.
alter table causeway.tool add column asks text not null default 'may' check (asks in ('may', 'never'));
