import { listArticles, publishArticle } from "./articles.js";
import { database } from "./database.js";

/** Path -> what answers it. A handler gets the parsed body and gives plain JSON. */
export const routes = {
  "GET /health": async () => {
    await database`select 1`;
    return { ok: true, revision: process.env.REVISION ?? null };
  },
  "GET /articles": async () => ({ articles: await listArticles() }),
  "POST /articles": async (body) => ({ onFrontPage: await publishArticle(body) }),
};
