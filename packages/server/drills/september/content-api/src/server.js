import { createServer } from "node:http";
import { database } from "./database.js";
import { routes } from "./routes.js";
import { applySchema } from "./schema.js";

const server = createServer(async (request, response) => {
  const handler = routes[`${request.method} ${new URL(request.url, "http://service").pathname}`];
  if (handler === undefined) return answer(response, 404, { error: "no such path" });
  try {
    const body = request.method === "POST" ? JSON.parse(await textOf(request)) : undefined;
    answer(response, 200, await handler(body));
  } catch (error) {
    answer(response, 500, { error: error.message });
  }
});

async function textOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

function answer(response, status, body) {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

await applySchema(database);
server.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
