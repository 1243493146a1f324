-- What tokens cost that a model server writes to its cache; null is the price of input. Bounded as the other prices.
alter table model_tariffs add column cache_write_price numeric(20, 15) check (cache_write_price >= 0 and cache_write_price < 100000);
alter table provider_prices add column cache_write_price numeric(20, 15) check (cache_write_price >= 0 and cache_write_price < 100000);
