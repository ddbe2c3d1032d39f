-- The whole schema. The service brings its database to this at start: what is declared here exists,
-- an index that is not declared here is dropped.
create table if not exists articles (
  id bigint generated always as identity primary key,
  slug text not null unique,
  title text not null,
  published_at timestamptz not null default now()
);

create table if not exists revisions (
  id bigint generated always as identity primary key,
  article_id bigint not null references articles (id),
  author text not null,
  words int not null,
  at timestamptz not null default now()
);

-- Listing articles newest first.
create index if not exists articles_by_time on articles (published_at desc);

-- The last revision of an article, and how many it has.
create index if not exists revisions_by_article on revisions (article_id, at desc);
