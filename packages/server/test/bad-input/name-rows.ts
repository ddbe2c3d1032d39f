/** Names that mean harm: of repositories, branches, commits, documents and subjects. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
/** A message that is refused is kept as a dead letter, so that its sender can be asked. */
const refused = { leaves: ["dead_letters"] } as const;

const add = (given: object) => ({
  ask: "POST /v1/repositories",
  body: { name: "new", url: "{folder}/api.git", ...given },
});
const branches = ["--upload-pack=id", "a..b", "main:main", "refs/heads/*", "@{u}", "a b", "a.lock"];
export const nameRows: readonly Row[] = [
  ...branches.map(
    (branch): Row => ({
      ...{ name: `the branch ${branch}`, call: add({ branch }), ...bad },
      says: /branch/,
    }),
  ),
  ...["../x", "-x", "a/b", "a\u0000b", "", "x".repeat(101)].map(
    (name): Row => ({
      ...{
        name: `the repository ${JSON.stringify(name).slice(0, 20)}`,
        call: add({ name }),
        ...bad,
      },
      says: /body\/name.*name: letters|NUL/,
    }),
  ),
  ...[
    "ext::sh -c id",
    "-u./payload",
    "fd::17",
    "ftp://host/x",
    "https://user:secret@host/x.git",
  ].map(
    (url): Row => ({
      ...{ name: `the address ${url}`, call: add({ url }), fault: "bad_configuration", exit: 2 },
      says: /path|https|ssh|address|credentials/,
    }),
  ),
  {
    name: "a repository that is taken",
    call: add({ name: "api" }),
    fault: "already_exists",
    exit: 5,
    says: /api.*(another name|remove|lastgood\.yaml)/,
  },
  {
    name: "a repository that is not there",
    call: add({ url: "{folder}/nothing.git" }),
    fault: "layer_unreachable",
    exit: 6,
    says: /nothing\.git/,
  },
  {
    name: "a secret of ours as credentials",
    call: add({ credentials: "DATABASE_URL" }),
    ...bad,
    says: /LASTGOOD_GIT_/,
  },
  { name: "a poll that is no span", call: add({ poll: "soon" }), ...bad, says: /2s/ },
  {
    name: "a commit that is an option",
    call: { ask: "GET /v1/repositories/api/commits/--help-all" },
    ...bad,
    says: /commit's id/,
  },
  {
    name: "a commit that is a ref",
    call: { ask: "GET /v1/repositories/api/commits/refs%2Fheads%2Fmain" },
    ...bad,
    says: /commit's id/,
  },
  ...["..", "a%2Fb", "%00", "a%20b", "x".repeat(65), "%F0%9F%92%A5"].map(
    (collection): Row => ({
      name: `the collection ${collection.slice(0, 12)}`,
      call: { ask: `PUT /v1/documents/${collection}/x`, body: { body: 1 } },
      // What a client's own URL parser takes out never arrives.
      ...(collection === ".." ? missing : bad),
      says: /a collection: letters|openapi/,
    }),
  ),
  ...["a%2F..%2Fb", "%00", "-x", "x".repeat(129)].map(
    (id): Row => ({
      name: `the document ${id.slice(0, 12)}`,
      call: { ask: `PUT /v1/documents/pages/${id}`, body: { body: 1 } },
      ...bad,
      says: /a document's id: letters/,
    }),
  ),
  ...["a b", "a..b", "tasks.*", "tasks.>", "$SYS.x", "_INBOX.x", "é", "x".repeat(256), ""].map(
    (subject): Row => ({
      name: `the subject ${JSON.stringify(subject).slice(0, 12)}`,
      call: { ask: "POST /v1/messages", body: { subject, payload: 1 } },
      ...{ ...bad, ...refused },
      says: /tasks\.review|subject/,
    }),
  ),
  {
    name: "a message to nobody",
    call: { ask: "POST /v1/messages", body: { payload: 1 } },
    ...bad,
    says: /subject, agent (and|or) role/,
  },
  {
    name: "a message that is not JSON",
    call: { ask: "POST /v1/messages", raw: "{" },
    ...bad,
    ...refused,
    says: /not JSON/,
  },
];
