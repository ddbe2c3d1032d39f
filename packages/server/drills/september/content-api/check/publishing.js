/** A published article is listed. */
export async function publishing(service) {
  const slug = `check-${process.pid}-${Date.now()}`;
  const response = await fetch(`${service}/articles`, {
    method: "POST",
    body: JSON.stringify({ slug, title: "A check", author: "check", words: 1 }),
    signal: AbortSignal.timeout(5_000),
  });
  if (response.status !== 200) return `publishing answered ${response.status}`;
  const { articles } = await (await fetch(`${service}/articles`)).json();
  return articles.some((article) => article.slug === slug) ? null : `${slug} is not listed`;
}
