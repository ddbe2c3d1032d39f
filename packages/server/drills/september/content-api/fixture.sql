-- Sample rows, the same on every load.
insert into articles (slug, title, published_at)
select 'article-' || n, 'Article ' || n, timestamptz '2026-01-01' + n * interval '10 minutes'
from generate_series(1, 6000) as n;

insert into revisions (article_id, author, words, at)
select 1 + n % 6000, 'author-' || n % 17, 200 + n % 900, timestamptz '2026-01-01' + n * interval '20 seconds'
from generate_series(1, 240000) as n;

analyze articles, revisions;
