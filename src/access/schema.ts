/**
 * The object's tables, one step per change of shape: a step that is out is never edited, and each leaves what older code reads.
 * Times are Unix ms. Lists are JSON text.
 */
const STEPS: readonly string[] = [
  `create table state (
     id integer primary key check (id = 1),
     workspace text not null,
     slug text not null,
     anonymous text,
     version integer not null default 0,
     hash text,
     changed integer not null default 1,
     pointed integer not null default 0,
     pointed_at integer not null default 0
   );
   create table token (
     id text primary key,
     hash text not null,
     name text not null,
     scopes text not null,
     role text,
     read_only integer not null,
     toolset text,
     expires_at integer,
     created_at integer not null,
     revoked_at integer,
     last_used_at integer
   );
   create table connection (
     id text primary key,
     kind text not null,
     origin text not null,
     sealed text not null,
     version integer not null
   );
   create table ended_session (id text primary key, until integer not null);
   create table change (
     seq integer primary key autoincrement,
     id text not null,
     at integer not null,
     principal text not null,
     principal_name text not null,
     action text not null,
     subject text not null,
     request_id text not null
   );
   create table closing (principal text primary key);`,
  `alter table connection add column wanted text;
   create table login (
     id text primary key,
     connection text not null,
     principal text not null,
     sealed text not null,
     expires_at integer not null
   );`,
  `create table subscriber (session text primary key, until integer not null);`,
  `create table publication (number integer primary key, at integer not null, by text not null, tools integer not null);
   create table announcement (type text not null, due integer not null, primary key (type, due));`,
];

/** Brings the tables to the newest shape; on an object that has it, one read. */
export function prepare(storage: DurableObjectStorage): void {
  storage.transactionSync(() => {
    storage.sql.exec("create table if not exists step (number integer primary key)");
    const done = storage.sql.exec<{ done: number }>("select count(*) as done from step").one().done;
    for (let number = done; number < STEPS.length; number++) {
      storage.sql.exec(STEPS[number] ?? "");
      storage.sql.exec("insert into step (number) values (?)", number + 1);
    }
  });
}
