const withinMs = 250;
const attempts = 2;

/** The front page lists articles, and comes quickly: the better of two, so that one hiccup is none. */
export async function frontPage(service) {
  let problem = "";
  for (let attempt = 0; attempt < attempts; attempt++) {
    const began = performance.now();
    try {
      const response = await fetch(`${service}/articles`, { signal: AbortSignal.timeout(600) });
      const { articles } = await response.json();
      const tookMs = performance.now() - began;
      if (!(articles?.length > 0)) return `answered ${response.status} without articles`;
      if (tookMs <= withinMs) return null;
      problem = `took ${Math.round(tookMs)} ms, more than ${withinMs} ms`;
    } catch {
      problem = "did not answer within 600 ms";
    }
  }
  return problem;
}
