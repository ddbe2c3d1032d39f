import { type Skill, type SkillState, skillStates } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import { syncSkills } from "../sync-skills.ts";
import type { Terminal } from "../terminal.ts";

interface ListOptions {
  readonly state: SkillState | "all";
  readonly service?: string;
  readonly limit: number;
}

export function skillsCommands(program: Command): void {
  const skills = program
    .command("skills")
    .summary("what verified recoveries taught, for agents and for the next incident")
    .description(
      "A verified recovery becomes a skill: SKILL.md for agents and people, playbook.json for the next incident " +
        "that fails the same way, which is looked into where the playbook leads first.\n\n" +
        "  lastgood skills list\n" +
        "  lastgood skills show lastgood-content-api-health\n" +
        "  lastgood skills sync .claude/skills",
    );
  skills
    .command("list")
    .summary("last changed first")
    .option("--state <state>", `${skillStates.join(", ")} or all`, "active")
    .option("--service <name>", "only of this service")
    .option("--limit <n>", "at most this many (1 to 200)", Number, 100)
    .action(
      withServer<ListOptions, []>(async ({ client, terminal }, { state, service, limit }) => {
        if (state !== "all" && !skillStates.includes(state)) {
          throw new Fault("bad_input", `A state is one of ${skillStates.join(", ")}, or all.`, {
            context: { path: "--state" },
          });
        }
        const page = await client.skills({ state, service, limit });
        terminal.result(page);
        terminal.table(
          ["SKILL", "STATE", "PUT RIGHT", "CHANGED", "FAILS AS"],
          page.skills.map((each) => [
            each.name,
            each.state,
            String(each.putRight),
            each.updatedAt,
            each.signatures.join(" ").slice(0, 100),
          ]),
        );
        if (page.skills.length === 0) terminal.line("Nothing was learned yet.");
        if (page.more) terminal.line("There are more: raise --limit.");
      }),
    );
  skills
    .command("show")
    .argument("<skill>")
    .summary("SKILL.md, and where it was used")
    .option("--playbook", "playbook.json instead")
    .action(
      withServer<{ playbook?: boolean }, [string]>(
        async ({ client, terminal }, { playbook = false }, name) => {
          const skill = await client.skill(name);
          terminal.result(skill);
          if (playbook) return terminal.line(JSON.stringify(skill.playbook, null, 2));
          terminal.line(skill.markdown.trimEnd());
          showUses(terminal, skill);
        },
      ),
    );
  skills
    .command("sync")
    .argument("<folder>", "where a host looks for skills, such as .claude/skills")
    .summary("write the active ones into a folder, and take away those that no longer are")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, folder) => {
        const synced = await syncSkills(client, folder);
        terminal.result({ folder, ...synced });
        const { written, kept, removed } = synced;
        for (const name of written) terminal.line(`written  ${name}`);
        for (const name of removed) terminal.line(`removed  ${name}`);
        const all = written.length + kept.length;
        terminal.line(
          `${folder} has ${all} skill${all === 1 ? "" : "s"}, ${kept.length} as before.`,
        );
      }),
    );
  skills
    .command("retire")
    .argument("<skill>")
    .summary("take one away: it is not used or handed out any more")
    .requiredOption("--because <reason>", "why it goes")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, { because }, name) => {
        terminal.result(await client.retireSkill(name, because));
        terminal.line(
          `${name} is retired. The next verified recovery of its kind writes a new one.`,
        );
      }),
    );
}

function showUses(terminal: Terminal, { state, because, uses }: Skill): void {
  if (state !== "active") terminal.line(`\nNot used any more: ${state}, ${because}`);
  if (uses.length === 0) return;
  terminal.line();
  terminal.table(
    ["INCIDENT", "WHEN", "OUTCOME", "WHAT"],
    uses.map(({ incident, at, outcome, says }) => [incident, at, outcome, says.slice(0, 120)]),
  );
}
