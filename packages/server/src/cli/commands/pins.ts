import type { ArtifactKind, Client, InFlightPolicy, Pin, PinShare } from "@lastgood/sdk";
import { type Command, InvalidArgumentError } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import { namedRelease, sharesOf } from "../release-words.ts";
import type { Terminal } from "../terminal.ts";
import { sayLearnable } from "./learn-check.ts";
import { type RampOptions, startRollout, tellStarted } from "./rollouts.ts";

const followMsMax = 5_000;
const lookEveryMs = 100;

export function pinCommands(program: Command): void {
  deployCommand(program);
  rollbackCommand(program);
  const pins = program
    .command("pins")
    .summary("what runs where: pins, their history, and who follows them")
    .description(
      "A pin says which releases an environment runs of an artifact. Consumers acknowledge each change; those " +
        "that do not are listed.\n\n" +
        "  lastgood pins list\n" +
        "  lastgood pins show customer-service --environment staging",
    );
  listCommands(pins);
  showCommands(pins);
}

/** The environment that a command is about. */
interface DeployOptions extends Where, RampOptions {
  readonly percent?: number;
  readonly share?: readonly string[];
  readonly because?: string;
  readonly inFlight?: InFlightPolicy;
  readonly override?: string;
  readonly expect?: number;
}

function deployCommand(program: Command): void {
  inEnvironment(
    program
      .command("deploy")
      .argument("<release...>", "customer-service:2.0.3, or spec customer-service:2.0.3")
      .summary("pin a release: all who use the artifact get it")
      .description(
        "Pins one explicit version, for everybody or for a part of the keys. It is a compare-and-swap on the " +
          "pin as it is now: of two that move it at once, one is refused.\n\n" +
          "  lastgood deploy spec customer-service:2.0.3 --because 'refunds up to 500 again'\n" +
          "  lastgood deploy router:14 --percent 10",
      ),
  )
    .option(
      "--percent <n>",
      "only this part of the keys (1 to 100); the release before keeps the rest",
      percentOf,
    )
    .option("--share <version=n...>", "every share by itself; they add up to 100")
    .option(
      "--ramp [percents]",
      "as a rollout: through the gate, and up a ramp such as 1,10,50,100",
    )
    .option("--hold <span>", "with --ramp: how long each step lasts at least")
    .option("--blue-green", "as a rollout: started beside the other and checked, then all at once")
    .option("--because <reason>", "why")
    .option("--in-flight <policy>", "where none is chosen yet: finish-old, switch or cancel-retry")
    .option("--override <reason>", "why one that was rolled back may come again")
    .option("--expect <epoch>", "the epoch of the pin that this was planned on", Number)
    .action(
      withServer<DeployOptions, [readonly string[]]>(
        async ({ client, terminal }, options, words) => {
          const { artifact, version, kind } = namedRelease(words);
          if (kind !== undefined) await requireKind(client, artifact, kind);
          if (options.ramp !== undefined || options.blueGreen === true) {
            const rollout = await startRollout(client, options, { artifact, version });
            return tellStarted(terminal, rollout);
          }
          const { environment, percent, share, because, inFlight, override } = options;
          const before = await pinOf(client, environment, artifact);
          const shares = sharesOf(share);
          const pin = await client.deployRelease(environment, artifact, {
            ...(shares === undefined ? { version, percent } : { shares }),
            ...{ because, inFlight, override, expect: options.expect ?? before?.epoch ?? 0 },
          });
          await told(client, terminal, pin, before);
        },
      ),
    );
}

function percentOf(typed: string): number {
  if (/^(100|[1-9][0-9]?)$/.test(typed)) return Number(typed);
  throw new InvalidArgumentError("It is a whole number from 1 to 100, such as 10.");
}

/** Who says what it is means that, and not another of the name. */
async function requireKind(client: Client, name: string, said: ArtifactKind): Promise<void> {
  const { kind } = await client.artifact(name);
  if (kind === said) return;
  throw new Fault(
    "bad_input",
    `${name} is a ${kind}, not a ${said}: leave that out, or check the name.`,
    {
      context: { path: "release" },
    },
  );
}

function rollbackCommand(program: Command): void {
  inEnvironment(
    program
      .command("rollback")
      .argument("<artifact>")
      .summary("pin what was pinned before; what goes is refused until that is lifted")
      .description(
        "Goes back to the last pin without the release that came last, over a whole ramp. It is seen to start " +
          "first; neither policy nor review stands in its way.\n\n  lastgood rollback customer-service --because 'refunds fail'",
      ),
  )
    .option("--because <reason>", "why")
    .option("--unchecked", "also when what it goes to does not start; recorded")
    .action(
      withServer<Where & { because?: string; unchecked?: boolean }, [string]>(
        async ({ client, terminal }, { environment, because, unchecked }, artifact) => {
          const before = await pinOf(client, environment, artifact);
          const expect = before === null ? {} : { expect: before.epoch };
          const why = { ...(because && { because }), ...(unchecked && { unchecked }) };
          const pin = await client.rollBackRelease(environment, artifact, { ...why, ...expect });
          await told(client, terminal, pin, before);
          if (!pin.already) terminal.line(sayLearnable(artifact));
        },
      ),
    );
}

async function pinOf(client: Client, environment: string, artifact: string): Promise<Pin | null> {
  try {
    return await client.pin(environment, artifact);
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found") return null;
    throw error;
  }
}

/** What is pinned now, and who follows: waits a few seconds for those who have not said so. */
async function told(
  client: Client,
  terminal: Terminal,
  pin: Pin & { readonly already: boolean },
  before: Pin | null,
): Promise<void> {
  const { environment, artifact, epoch, shares, already } = pin;
  const what = `${artifact} in ${environment}: ${sayShares(shares)}`;
  const was = before === null ? "nothing before" : `${sayShares(before.shares)} before`;
  terminal.line(already ? `${what}, as it was.` : `${what} since epoch ${epoch} (${was}).`);
  const deadline = performance.now() + followMsMax;
  let now = await client.pin(environment, artifact);
  while (now.consumers.stragglers > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    now = await client.pin(environment, artifact);
  }
  terminal.result({ ...pin, consumers: now.consumers });
  const { acknowledged, stragglers } = now.consumers;
  if (acknowledged + stragglers > 0) {
    terminal.line(`${acknowledged} of ${acknowledged + stragglers} consumers follow it.`);
  }
  if (stragglers > 0) terminal.line(`See who does not: lastgood pins show ${artifact}`);
}

function listCommands(pins: Command): void {
  inEnvironment(
    pins.command("list", { isDefault: true }).summary("every artifact that is pinned here"),
  ).action(
    withServer<Where, []>(async ({ client, terminal }, { environment }) => {
      const found = await client.pins(environment);
      terminal.result(found);
      terminal.line(`${environment}, epoch ${found.epoch}`);
      terminal.table(
        ["ARTIFACT", "PINNED", "SINCE", "BY", "FOLLOWED BY", "STRAGGLERS", "BACK TO", "BECAUSE"],
        found.pins.map((pin) => [
          pin.artifact,
          sayShares(pin.shares),
          pin.at,
          pin.by,
          String(pin.consumers.acknowledged),
          String(pin.consumers.stragglers),
          pin.prior === null ? "nothing" : sayShares(pin.prior),
          pin.because.slice(0, 60),
        ]),
      );
      if (found.more) terminal.line("There are more: these moved last.");
    }),
  );

  pins
    .command("environments")
    .summary("where something is pinned")
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const found = await client.environments();
        terminal.result(found);
        terminal.table(
          ["ENVIRONMENT", "EPOCH", "PINS"],
          found.environments.map(({ name, epoch, pins }) => [name, String(epoch), String(pins)]),
        );
        if (found.environments.length === 0) terminal.line("Nothing was pinned yet.");
      }),
    );

  inEnvironment(
    pins.command("consumers").summary("who resolves releases here; the longest silent first"),
  ).action(
    withServer<Where, []>(async ({ client, terminal }, { environment }) => {
      const found = await client.pinConsumers(environment);
      terminal.result(found);
      terminal.table(
        ["CONSUMER", "WHO", "EPOCH", "HEARD OF", "USES"],
        found.consumers.map((each) => [
          each.id,
          each.who,
          String(each.epoch),
          each.live ? each.seenAt : `${each.seenAt} (silent)`,
          each.artifacts === null ? "everything" : each.artifacts.join(" ").slice(0, 60),
        ]),
      );
      if (found.consumers.length === 0) terminal.line("Nobody resolves releases here.");
      if (found.more) terminal.line("There are more than these.");
    }),
  );
}

function showCommands(pins: Command): void {
  inEnvironment(
    pins
      .command("show")
      .argument("<artifact>")
      .summary("one pin: its history, and the consumers that do not follow it"),
  ).action(
    withServer<Where, [string]>(async ({ client, terminal }, { environment }, artifact) => {
      const pin = await client.pin(environment, artifact);
      terminal.result(pin);
      const { acknowledged, stragglers } = pin.consumers;
      terminal.line(`${artifact} in ${environment}: ${sayShares(pin.shares)}, epoch ${pin.epoch}`);
      terminal.line(`a rollback goes to: ${pin.prior === null ? "nothing" : sayShares(pin.prior)}`);
      terminal.line(`followed by ${acknowledged} of ${acknowledged + stragglers} consumers`);
      terminal.table(
        ["STRAGGLER", "WHO", "FOLLOWS", "HEARD OF"],
        pin.stragglers.map((each) => [
          each.id,
          each.who,
          String(each.epoch),
          each.live ? each.seenAt : `${each.seenAt} (silent)`,
        ]),
      );
      terminal.line();
      terminal.table(
        ["EPOCH", "AT", "DID", "PINNED", "BY", "BECAUSE"],
        pin.history.map((each) => [
          String(each.epoch),
          each.at,
          each.did,
          sayShares(each.shares),
          each.by,
          each.because.slice(0, 60),
        ]),
      );
    }),
  );
}

function sayShares(shares: readonly PinShare[]): string {
  const [only] = shares;
  if (only !== undefined && shares.length === 1) return only.version;
  return shares.map(({ version, share }) => `${version}:${share}`).join(" ");
}
