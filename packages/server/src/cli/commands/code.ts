import type { Bar, BarQuery, NewRepository, Repository } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function codeCommands(program: Command): void {
  const repositories = program
    .command("repositories")
    .summary("the git repositories that are watched")
    .description(
      "Lists, adds and looks at the git repositories whose commits Lastgood records and can revert.\n\n" +
        "  lastgood repositories add api https://github.com/acme/api.git --branch main",
    );
  repositories
    .command("list", { isDefault: true })
    .description("Every repository, where its branch is, and how the watch goes.")
    .action(
      withServer(async ({ client, terminal }) => {
        const page = await client.repositories();
        terminal.result(page);
        showRepositories(terminal, page.repositories);
      }),
    );
  addCommand(repositories);
  repositories
    .command("remove <name>")
    .description("Stops watching a repository that was added; what was recorded of it stays.")
    .action(
      withServer<unknown, [string]>(async ({ client, terminal }, _, name) => {
        await client.removeRepository(name);
        terminal.result({ removed: name });
        terminal.line(`${name} is not watched any more.`);
      }),
    );
  repositories
    .command("pushed <name>")
    .description(
      "Says that something was pushed, so that it is recorded at once; made for post-receive hooks.\n\n" +
        "  lastgood repositories pushed api",
    )
    .action(
      withServer<unknown, [string]>(async ({ client, terminal }, _, name) => {
        const work = client.repositoryPushed(name, { wait: true });
        const repository = await terminal.progress(`reading ${name}`, work);
        terminal.result(repository);
        terminal.line(`${name} is at ${repository.tip?.slice(0, 12) ?? "nothing"}, and recorded.`);
      }),
    );
  repositories
    .command("commit <name> <id>")
    .description(
      "Shows one commit: its change, and whether it is barred.\n\n" +
        "  lastgood repositories commit api b8e4d12",
    )
    .action(
      withServer<unknown, [string, string]>(async ({ client, terminal }, _, name, id) => {
        const commit = await client.commit(name, id);
        terminal.result(commit);
        terminal.line(`${commit.id} ${commit.subject}`);
        terminal.line(`by ${commit.author.name} <${commit.author.email}>, ${commit.committedAt}`);
        terminal.line(commit.onBranch ? "on the branch" : "not on the branch");
        if (commit.barred !== null) {
          terminal.line(terminal.ink("red", `barred: ${commit.barred.because}`));
          terminal.line(
            `lastgood bars lift ${commit.barred.id} --because "..." lets it come again`,
          );
        }
      }),
    );
  barCommands(program);
}

function addCommand(repositories: Command): void {
  repositories
    .command("add <name> <url>")
    .description(
      "Registers a repository by a path or URL that git can read. Its last 500 commits are recorded as history.\n\n" +
        "  lastgood repositories add api /srv/git/api.git --branch main --deliver branch",
    )
    .option("--branch <branch>", "the branch that is deployed", "main")
    .option(
      "--deliver <how>",
      "push: reverts are pushed; branch: offered for a pull request",
      "push",
    )
    .option("--credentials <variable>", "the server's variable LASTGOOD_GIT_... with the secret")
    .option("--poll <span>", "how often it is looked at", "2s")
    .action(
      withServer<Omit<NewRepository, "name" | "url">, [string, string]>(
        async ({ client, terminal }, options, name, url) => {
          const { branch, deliver, credentials, poll } = options;
          const body = { name, url, branch, deliver, poll, ...(credentials && { credentials }) };
          const work = client.addRepository(body as NewRepository);
          const repository = await terminal.progress(`reading ${url}`, work);
          terminal.result(repository);
          showRepositories(terminal, [repository]);
        },
      ),
    );
}

function barCommands(program: Command): void {
  const bars = program
    .command("bars")
    .summary("what was rolled back and is refused")
    .description(
      "What was rolled back is refused, also under another commit id, until its incident is closed or a bar is lifted.\n\n" +
        '  lastgood bars lift 0190f6c2-7b1e-7cc3-98c4-dc0c0c07398f --because "fixed in another way"',
    );
  bars
    .command("list", { isDefault: true })
    .description("Bars in force, newest first.")
    .option("--repository <name>", "only of this repository")
    .option("--incident <id>", "only of this incident")
    .option("--all", "also those that were lifted")
    .action(
      withServer<BarQuery, []>(async ({ client, terminal }, options) => {
        const { repository, incident, all } = options;
        const page = await client.bars({ repository, incident, all } as BarQuery);
        terminal.result(page);
        showBars(terminal, page.bars);
      }),
    );
  bars
    .command("lift <id>")
    .description("Lets what was rolled back come again.")
    .requiredOption("--because <reason>", "why; it is recorded")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, { because }, id) => {
        const bar = await client.liftBar(id, because);
        terminal.result(bar);
        terminal.line(`${bar.commit.slice(0, 12)} of ${bar.repository} may come again.`);
      }),
    );
}

function showRepositories(terminal: Terminal, repositories: readonly Repository[]): void {
  terminal.table(
    ["NAME", "BRANCH", "TIP", "STATE", "BARS", "URL"],
    repositories.map((each) => [
      each.name,
      each.branch,
      (each.tip ?? "").slice(0, 12),
      each.problem === null ? each.state : `${each.state}: ${each.problem.code}`,
      String(each.bars),
      each.url,
    ]),
  );
  for (const { name, problem } of repositories) {
    if (problem !== null) terminal.line(`${name}: ${problem.detail}`);
  }
  if (repositories.length === 0) {
    terminal.line("No repository is watched: add one with `lastgood repositories add`.");
  }
}

function showBars(terminal: Terminal, bars: readonly Bar[]): void {
  terminal.table(
    ["ID", "REPOSITORY", "COMMIT", "INCIDENT", "SINCE", "WHAT"],
    bars.map((bar) => [
      bar.id,
      bar.repository,
      bar.commit.slice(0, 12),
      bar.incident ?? "",
      bar.barredAt,
      `${bar.subject.slice(0, 60)}${bar.lifted === null ? "" : ` (lifted by ${bar.lifted.by})`}`,
    ]),
  );
  if (bars.length === 0) terminal.line("Nothing is barred.");
}
