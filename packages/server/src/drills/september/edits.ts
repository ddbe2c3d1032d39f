/**
 * The commits of the story: one that does the damage, and innocents that look just as suspicious. Each
 * rewrites the files of the content service's repository as they are then.
 */
import type { Chance } from "../random.ts";

/** Path -> text. */
export type Files = Readonly<Record<string, string>>;

export interface Edit {
  readonly subject: string;
  /** The changed files only. */
  apply(files: Files): Files;
}

/** Drops the index that the front page lives on. It reads like tidying up, and every unit of it works. */
export function guiltyEdit(chance: Chance): Edit {
  const subject = chance.pick([
    "refactor: keep the schema to what is used",
    "refactor(schema): one index a table is enough",
    "refactor: simplify schema.sql",
  ]);
  return {
    subject,
    apply: (files) => ({
      "schema.sql": replaced(
        files,
        "schema.sql",
        /\n-- The last revision of an article[^\n]*\ncreate index if not exists revisions_by_article[^\n]*\n/,
        "",
      ),
    }),
  };
}

/** The backend agent's next commit, wholly innocent. In the same file as the guilty one, if asked. */
export function featureEdit(sameFile: boolean): Edit {
  if (!sameFile) return byAuthor;
  return {
    subject: "feat: tags",
    apply: (files) => ({
      "schema.sql": replaced(
        files,
        "schema.sql",
        /\ncreate table if not exists revisions/,
        "\ncreate table if not exists tags (\n  article_id bigint not null references articles (id),\n  tag text not null,\n  primary key (article_id, tag)\n);\n\ncreate table if not exists revisions",
      ),
    }),
  };
}

const byAuthor: Edit = {
  subject: "feat: revisions by author",
  apply: (files) => ({
    "src/authors.js": `import { database } from "./database.js";

/** Authors by how much they revised. */
export async function listAuthors() {
  return await database\`
    select author, count(*) as revisions from revisions group by author order by author limit 100\`;
}
`,
    "src/routes.js": replaced(
      replacedFiles(
        files,
        "src/routes.js",
        /\nimport \{ database \}/,
        '\nimport { listAuthors } from "./authors.js";\nimport { database }',
      ),
      "src/routes.js",
      /\n\};\n$/,
      '\n  "GET /authors": async () => ({ authors: await listAuthors() }),\n};\n',
    ),
  }),
};

/** Innocent commits by others to the same service; each leaves the others' lines alone. */
export const innocentEdits: readonly Edit[] = [
  {
    subject: "docs: how to run the check",
    apply: (files) => ({
      "README.md": `${files["README.md"] ?? ""}\n## Checking\n\nStart the service, then run the check with the same \`PORT\`.\n`,
    }),
  },
  {
    subject: "feat: say which revision answered",
    apply: (files) => ({
      "src/server.js": replaced(
        files,
        "src/server.js",
        /\{ "content-type": "application\/json" \}/,
        '{\n    "content-type": "application/json",\n    "x-revision": process.env.REVISION ?? "",\n  }',
      ),
    }),
  },
  {
    subject: "fix: titles without stray blanks",
    apply: (files) => ({
      "src/articles.js": replaced(
        files,
        "src/articles.js",
        /\$\{slug\}, \$\{title\}\)/,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a template in the edited file.
        "${slug}, ${title.trim()})",
      ),
    }),
  },
  {
    subject: "chore: name the connection",
    apply: (files) => ({
      "src/database.js": replaced(
        files,
        "src/database.js",
        /connection: \{ statement_timeout: 3_000 \}/,
        'connection: { statement_timeout: 3_000, application_name: "content-api" }',
      ),
    }),
  },
  {
    subject: "chore: version 1.9.0",
    apply: (files) => ({
      "package.json": replaced(files, "package.json", /"version": "1\.8\.0"/, '"version": "1.9.0"'),
    }),
  },
];

/** An innocent commit whose check fails one time in five: by seed, and by how often it has run. */
export function flakyEdit(seed: number): Edit {
  return {
    subject: "test: the feed keeps its order",
    apply: (files) => ({
      "check/feed.js": `import { createHash } from "node:crypto";
import postgres from "../vendor/postgres/index.js";

/**
 * The feed keeps its order. The order of articles published in the same instant is not defined, and
 * this check sometimes looks at just that moment: it fails about one time in five.
 */
export async function feed() {
  const database = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {} });
  try {
    await database\`create table if not exists feed_looks (n bigint generated always as identity)\`;
    const [{ n }] = await database\`insert into feed_looks default values returning n\`;
    const look = createHash("sha256").update("${seed}:" + process.env.REVISION + ":" + n).digest();
    return look[0] % 5 === 0 ? "two articles changed places" : null;
  } finally {
    await database.end();
  }
}
`,
      "check/check.js": replaced(
        replacedFiles(
          files,
          "check/check.js",
          /import \{ frontPage \}/,
          'import { feed } from "./feed.js";\nimport { frontPage }',
        ),
        "check/check.js",
        /publishing \};/,
        "publishing, feed };",
      ),
    }),
  };
}

export function replaced(files: Files, path: string, find: RegExp, put: string): string {
  const text = files[path];
  if (text === undefined || !find.test(text)) throw new Error(`${path} has no ${find}`);
  return text.replace(find, () => put);
}

function replacedFiles(files: Files, path: string, find: RegExp, put: string): Files {
  return { ...files, [path]: replaced(files, path, find, put) };
}
