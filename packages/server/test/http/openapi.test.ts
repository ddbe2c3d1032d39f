import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { pino } from "pino";
import { createApp } from "../../src/http/server.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { startServer } from "../support/server.ts";

interface Operation {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: { readonly Problem: { readonly properties: { readonly code: unknown } } };
    readonly responses: Readonly<Record<string, { readonly content: object }>>;
  };
}

async function describe(url: string): Promise<Description> {
  const response = await fetch(`${url}/openapi.json`);
  assert.equal(response.status, 200);
  return (await response.json()) as Description;
}

test("the description is OpenAPI 3.1, and every operation has a tag, a summary and its problems", async () => {
  await using server = await startServer();
  const { openapi, paths, components } = await describe(server.lastgood.url);
  assert.match(openapi, /^3\.1\./);
  assert.ok(Object.keys(paths).length > 60, "the rooms' routes are there");
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { tags = [], summary = "", responses }] of Object.entries(operations)) {
      const which = `${method} ${path}`;
      assert.equal(tags.length, 1, which);
      assert.match(summary, /^[A-Z].*[^.]$/, which);
      assert.ok(
        Object.keys(responses).some((status) => status.startsWith("2")),
        which,
      );
      assert.deepEqual(responses.default, { $ref: "#/components/responses/Problem" }, which);
    }
  }
  const { content } = components.responses.Problem ?? assert.fail("the problem is not described");
  assert.deepEqual(content, {
    "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
  });
});

test("what the description says of a problem is what is answered", async () => {
  await using server = await startServer();
  const { components } = await describe(server.lastgood.url);
  const { properties, required } = components.schemas.Problem as unknown as {
    readonly properties: Readonly<Record<string, unknown>>;
    readonly required: readonly string[];
  };
  const response = await fetch(`${server.lastgood.url}/v1/changes?limit=0`, {
    headers: { authorization: `Bearer ${await server.tokenAs("viewer")}` },
  });
  const problem = (await response.json()) as Readonly<Record<string, unknown>>;
  assert.deepEqual(
    required.filter((name) => problem[name] === undefined),
    [],
  );
  assert.deepEqual(
    Object.keys(problem).filter((name) => properties[name] === undefined),
    [],
  );
});

test("every function of the SDK's client asks for an operation that is described", async () => {
  await using server = await startServer();
  const { paths } = await describe(server.lastgood.url);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    })),
  );
  const asked = await everyCall();
  assert.ok(asked.length > 60, `${asked.length} functions were called`);
  const missing = asked.filter(
    ({ method, path }) =>
      !operations.some((each) => each.method === method && each.path.test(path)),
  );
  assert.deepEqual(missing, []);
});

/** Calls each function of a client once, and returns what it would have asked the server for. */
async function everyCall() {
  const asked: { name: string; method: string; path: string }[] = [];
  const original = globalThis.fetch;
  const given = createClient({ url: "http://127.0.0.1:9", token: "none" });
  // A session, and following the pins, are more than a call: they ask for many operations.
  const { session: _session, releases: _releases, ...client } = given;
  // A function takes ids, an object of what is wanted, a signal: this is all of them, and empty.
  const argument = new AbortController().signal;
  Object.defineProperty(argument, "toString", { value: () => "some" });
  const functions = Object.entries(client) as [string, (...given: unknown[]) => Promise<unknown>][];
  try {
    for (const [name, ask] of functions) {
      globalThis.fetch = async (target, request) => {
        const { pathname } = new URL(String(target));
        asked.push({ name, method: request?.method ?? "GET", path: pathname });
        return new Response("{}");
      };
      await ask(argument, argument, argument);
    }
  } finally {
    globalThis.fetch = original;
  }
  assert.deepEqual(
    functions.map(([name]) => name).filter((name) => !asked.some((each) => each.name === name)),
    [],
    "each function asks",
  );
  return asked;
}

test("a route that does not say who may call it, or what it is for, does not start", async () => {
  await using store = await startDatabase();
  const log = pino({ level: "silent" });
  const app = await createApp({ db: store.db, world: realWorld, log, version: "0.0.0" });
  const handler = async () => ({});
  const described = { tags: ["x"], summary: "It does something" };
  assert.throws(() => app.get("/v1/a", { schema: described }, handler), /who may call it/);
  const config = { allow: "viewer" } as const;
  assert.throws(() => app.get("/v1/b", { config }, handler), /no tag and summary/);
  const schema = { ...described, hide: true };
  assert.throws(() => app.get("/v1/c", { config, schema }, handler), /no tag and summary/);
  app.get("/v1/d", { config, schema: described }, handler);
  await app.close();
});
