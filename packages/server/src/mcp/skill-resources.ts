/** Skills as resources: for hosts that put them before their model by themselves. Read anew each time. */
import { type McpServer, ResourceTemplate, type Variables } from "@modelcontextprotocol/server";
import { Fault } from "../fault.ts";
import type { Caller } from "./caller.ts";
import { one, told } from "./told.ts";

const listedMax = 100;
const files = {
  "SKILL.md": { title: "A skill", mimeType: "text/markdown" },
  "playbook.json": { title: "A skill's playbook", mimeType: "application/json" },
} as const;

export function addSkills(server: McpServer, caller: Caller): void {
  const list = async () => {
    try {
      const { skills } = await caller.client(undefined).skills({ limit: listedMax });
      return {
        resources: skills.flatMap(({ name, description }) =>
          Object.entries(files).map(([file, { mimeType }]) => ({
            ...{ uri: `lastgood://skills/${name}/${file}`, name: `${name}/${file}` },
            ...{ description, mimeType },
          })),
        ),
      };
    } catch (error) {
      // The brief is among the resources too: it must be listed where the skills cannot be.
      if (!(error instanceof Fault)) throw error;
      return { resources: [] };
    }
  };
  const read = async (uri: URL, variables: Variables, file: keyof typeof files) => {
    const skill = await told(() => caller.client(undefined).skill(one(variables.name)));
    const playbook = `${JSON.stringify(skill.playbook, null, 2)}\n`;
    const text = file === "SKILL.md" ? skill.markdown : playbook;
    return { contents: [{ uri: uri.href, mimeType: files[file].mimeType, text }] };
  };
  const description =
    "What a verified recovery taught: what fails, what did it, and the plan that worked.";
  server.registerResource(
    "skill",
    new ResourceTemplate("lastgood://skills/{name}/SKILL.md", { list }),
    { ...files["SKILL.md"], description },
    (uri, variables) => read(uri, variables, "SKILL.md"),
  );
  server.registerResource(
    "playbook",
    new ResourceTemplate("lastgood://skills/{name}/playbook.json", { list: undefined }),
    { ...files["playbook.json"], description },
    (uri, variables) => read(uri, variables, "playbook.json"),
  );
}
