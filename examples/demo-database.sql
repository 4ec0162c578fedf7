-- The demo workspace's own database: a small shop. Running it again changes nothing.

create table if not exists customers (
  id integer primary key,
  name text not null,
  email text not null unique,
  country text not null
);

create table if not exists orders (
  id integer primary key,
  customer_id integer not null references customers (id),
  status text not null check (status in ('open', 'paid', 'shipped', 'returned')),
  placed_on date not null
);
create index if not exists orders_by_customer on orders (customer_id, placed_on);

create table if not exists items (
  order_id integer not null references orders (id),
  line integer not null,
  product text not null,
  quantity integer not null check (quantity > 0),
  price_cents integer not null,
  primary key (order_id, line)
);

insert into customers (id, name, email, country) values
  (1, 'Alder Books', 'orders@alder.example.com', 'GB'),
  (2, 'Birch Cycles', 'orders@birch.example.com', 'US'),
  (3, 'Cedar Tools', 'orders@cedar.example.com', 'US'),
  (4, 'Douglas Radio', 'orders@douglas.example.com', 'AT'),
  (5, 'Elm Optics', 'orders@elm.example.com', 'DE'),
  (6, 'Fir Sailing', 'orders@fir.example.com', 'SE'),
  (7, 'Gingko Maps', 'orders@gingko.example.com', 'GB'),
  (8, 'Hazel Clocks', 'orders@hazel.example.com', 'EG')
on conflict do nothing;

insert into orders (id, customer_id, status, placed_on)
select n, 1 + (n * 5) % 8, (array['open', 'paid', 'shipped', 'shipped', 'returned'])[1 + n % 5], date '2026-01-05' + n * 5
from generate_series(1, 60) as n
on conflict do nothing;

insert into items (order_id, line, product, quantity, price_cents)
select o.id, line, (array['notebook', 'pencil', 'compass', 'globe', 'telescope', 'slide rule'])[1 + (o.id * 7 + line) % 6], 1 + (o.id + line) % 4,
  (array[450, 120, 1890, 3900, 24900, 2750])[1 + (o.id * 7 + line) % 6]
from orders o, generate_series(1, 3) as line
where line <= 1 + o.id % 3
on conflict do nothing;
