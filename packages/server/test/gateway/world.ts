/** A server with a gateway before fake models, and the words that tests about it share. */
import Anthropic from "@anthropic-ai/sdk";
import type { Client, JsonValue } from "@lastgood/sdk";
import OpenAI from "openai";
import { production } from "../releases/world.ts";
import { startServer, type TestServer } from "../support/server.ts";

export const secretKey = "sk-secret-of-the-endpoint";

/** The artifact `router`, its releases 13 and 14, of which 13 is pinned. */
export async function startGateway(
  { url }: { readonly url: string },
  /** How the endpoints are held to their word. */
  endpoint: Readonly<Record<string, unknown>> = {},
  { endpoints = {}, ...rest }: Readonly<Record<string, unknown>> = {},
): Promise<TestServer & { readonly gateway: string }> {
  process.env.LASTGOOD_TEST_MODEL_KEY = secretKey;
  const key = { keyEnv: "LASTGOOD_TEST_MODEL_KEY", ...endpoint };
  const server = await startServer({
    agents: { triager: {} },
    gateway: {
      port: 0,
      endpoints: {
        local: { url: `${url}/v1`, api: "openai", ...key },
        claude: { url, api: "anthropic", ...key },
        nowhere: { url: "http://127.0.0.1:9/v1", api: "openai" },
        ...(endpoints as object),
      },
      ...rest,
    },
  });
  await publishModel(server.client, "router", "13", { model: "small-13" });
  await publishModel(server.client, "router", "14", { model: "small-14" });
  await server.client.deployRelease(production, "router", { version: "13", inFlight: "switch" });
  return { ...server, gateway: server.lastgood.gatewayUrl ?? "" };
}

export async function publishModel(
  client: Client,
  artifact: string,
  version: string,
  content: { readonly model: string; readonly [name: string]: JsonValue },
): Promise<void> {
  await client.publishRelease(artifact, {
    ...{ version, kind: "model" },
    content: { endpoint: "local", ...content },
  });
}

/** The public client, as any agent would make it: only its base URL and key are ours. */
export async function openaiFor(
  server: TestServer & { readonly gateway: string },
  agent = "triager",
): Promise<OpenAI> {
  return new OpenAI({
    ...{ baseURL: `${server.gateway}/v1`, apiKey: await server.tokenAs("agent", agent) },
    maxRetries: 0,
  });
}

export async function anthropicFor(
  server: TestServer & { readonly gateway: string },
): Promise<Anthropic> {
  return new Anthropic({
    ...{ baseURL: server.gateway, apiKey: await server.tokenAs("agent", "triager") },
    maxRetries: 0,
  });
}

export const ask = (content: string) => [{ role: "user" as const, content }];
