/**
 * The commits of the story's second part: the same damage by other means, and innocents beside it, one of them
 * in the file in which the damage was done the first time.
 */
import type { Chance } from "../random.ts";
import { type Edit, replaced } from "./edits.ts";

/** Takes the same index away as before: for another one in its place, or from another file. */
export function guiltyAgainEdit(chance: Chance): Edit {
  return chance.pick([otherIndex, unusedIndex]);
}

const otherIndex: Edit = {
  subject: "perf: an index for the page of authors",
  apply: (files) => ({
    "schema.sql": replaced(
      files,
      "schema.sql",
      /\n-- The last revision of an article[^\n]*\ncreate index if not exists revisions_by_article[^\n]*\n/,
      "\n-- Authors by how much they revised.\ncreate index if not exists revisions_by_author on revisions (author);\n",
    ),
  }),
};

const unusedIndex: Edit = {
  subject: "chore: drop what the report on indexes calls unused",
  apply: (files) => {
    const named = replaced(
      files,
      "src/schema.js",
      /\n\nconst declaredIndex/,
      '\n\n/** Each costs every write, and the report has them with no reads since it was reset. */\nconst unused = ["revisions_by_article"];\n\nconst declaredIndex',
    );
    return {
      "src/schema.js": replaced(
        { ...files, "src/schema.js": named },
        "src/schema.js",
        /\n\}\n$/,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a template in the edited file.
        "\n  for (const name of unused) await database`drop index if exists ${database(name)}`;\n}\n",
      ),
    };
  },
};

export const innocentAgainEdits: readonly Edit[] = [
  {
    subject: "docs: what a revision is",
    apply: (files) => ({
      "schema.sql": replaced(
        files,
        "schema.sql",
        /\ncreate table if not exists revisions/,
        "\n-- One row for each save of an article, by whomever.\ncreate table if not exists revisions",
      ),
    }),
  },
  {
    subject: "docs: what the front page promises",
    apply: (files) => ({
      "README.md": `${files["README.md"] ?? ""}\n## The front page\n\nThe newest sixty articles, within a quarter of a second.\n`,
    }),
  },
  {
    subject: "feat: refuse what is not JSON with 400",
    apply: (files) => ({
      "src/server.js": replaced(
        files,
        "src/server.js",
        /answer\(response, 500, \{ error: error\.message \}\);/,
        "answer(response, error instanceof SyntaxError ? 400 : 500, { error: error.message });",
      ),
    }),
  },
];
