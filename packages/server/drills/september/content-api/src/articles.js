import { database } from "./database.js";

const perPage = 60;

/** The newest articles, each with its last revision and how many it has. */
export async function listArticles() {
  return await database`
    select a.slug, a.title, a.published_at,
           (select max(r.at) from revisions r where r.article_id = a.id) as revised_at,
           (select count(*) from revisions r where r.article_id = a.id) as revisions
    from articles a
    order by a.published_at desc
    limit ${perPage}`;
}

/** Publishes an article once, whatever is retried: the slug is its key. Returns the front page's length. */
export async function publishArticle({ slug, title, author, words }) {
  await database`
    with article as (
      insert into articles (slug, title) values (${slug}, ${title})
      on conflict (slug) do nothing returning id
    )
    insert into revisions (article_id, author, words) select id, ${author}, ${words} from article`;
  return (await listArticles()).length;
}
