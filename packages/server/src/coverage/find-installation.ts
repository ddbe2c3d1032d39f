import type { Finding } from "@lastgood/sdk";
import type { CoverageCheck, Facts } from "./facts.ts";

const dayMs = 86_400_000;
const backupMsMax = 7 * dayMs;
const drillMsMax = 90 * dayMs;
const clockMsMax = 2_000;
const gibibyte = 1_073_741_824;

export const installationChecks: readonly CoverageCheck[] = [
  configuration,
  modes,
  freeze,
  recoveries,
  durability,
  clock,
  disk,
  backup,
  drill,
  engine,
];

function configuration({ file }: Facts): readonly Finding[] {
  if (file === null) {
    return [
      {
        kind: "unprotected",
        code: "no-configuration",
        about: "installation",
        says: "it runs without a lastgood.yaml: no service, agent or person is known to it",
        mend: "lastgood init",
      },
    ];
  }
  const found: Finding[] = [];
  const mend = `lastgood config check ${file.path}`;
  if (file.fault !== null) {
    const copy = file.fromCopy
      ? "a copy of the last good one is in force"
      : `what was read at ${file.readAt.toISOString()} stays in force`;
    const [first = ""] = file.fault.split("\n");
    found.push({
      kind: "broken",
      code: "configuration-faulty",
      about: "configuration",
      says: `${first}; ${copy}`,
      mend,
    });
  }
  for (const says of file.warnings) {
    found.push({
      kind: "noted",
      code: "configuration-doubtful",
      about: "configuration",
      says,
      mend,
    });
  }
  return found;
}

function modes({ config }: Facts): readonly Finding[] {
  const every = [config.mode, ...Object.values(config.services).map(({ mode }) => mode)];
  if (every.includes("auto")) return [];
  return [
    {
      kind: "noted",
      code: "no-mode-auto",
      about: "installation",
      says: "nothing is put back by itself: no mode is auto. See what it would have done: lastgood would-have",
      mend: "lastgood config set mode auto",
    },
  ];
}

function freeze({ freeze: seen }: Facts): readonly Finding[] {
  if (!seen.seen || seen.value === null) return [];
  const { by, reason, at } = seen.value;
  return [
    {
      kind: "noted",
      code: "frozen",
      about: "installation",
      says: `everything automatic is stopped since ${at.toISOString()} by ${by}: ${reason}`,
      mend: "lastgood thaw",
    },
  ];
}

function recoveries({ recoveries: seen }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  return seen.value.map(({ id, state, because }) => ({
    kind: state === "awaiting-approval" ? "noted" : "broken",
    code: `recovery-${state}`,
    about: `recovery ${id}`,
    says: `it is ${state}${because === "" ? "" : `: ${because}`}`,
    mend: state === "awaiting-approval" ? `lastgood approve ${id}` : `lastgood recover show ${id}`,
  }));
}

const durable: Readonly<Record<string, string>> = {
  fsync: "what was acknowledged can be lost, and the database broken, by a power failure",
  full_page_writes: "a power failure can leave torn pages",
  synchronous_commit: "the last acknowledged writes can be lost by a crash of PostgreSQL",
};

function durability({ store }: Facts): readonly Finding[] {
  if (!store.seen) return [];
  return Object.entries(durable).flatMap(([setting, harm]): readonly Finding[] =>
    store.value.settings[setting] !== "off"
      ? []
      : [
          {
            kind: "broken",
            code: "store-not-durable",
            about: "store",
            says: `PostgreSQL runs with ${setting} off: ${harm}`,
            mend: `psql "$DATABASE_URL" -c "alter system set ${setting} = on" -c "select pg_reload_conf()"`,
          },
        ],
  );
}

function clock({ store }: Facts): readonly Finding[] {
  if (!store.seen || Math.abs(store.value.clockAheadMs) <= clockMsMax) return [];
  const seconds = (store.value.clockAheadMs / 1_000).toFixed(1);
  return [
    {
      kind: "broken",
      code: "clocks-differ",
      about: "store",
      says: `the database's clock is ${seconds} s ahead of this machine's: onsets and exposures cannot be compared`,
      mend: "timedatectl set-ntp true",
    },
  ];
}

function disk({ disk: seen }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  const { folder, freeBytes, totalBytes } = seen.value;
  const share = freeBytes / totalBytes;
  if (freeBytes > 2 * gibibyte || (share > 0.1 && freeBytes > gibibyte / 2)) return [];
  return [
    {
      kind: freeBytes < gibibyte / 2 ? "broken" : "stale",
      code: "disk-nearly-full",
      about: "installation",
      says: `${(freeBytes / gibibyte).toFixed(1)} GiB are free for ${folder}: when it is full, nothing can be recorded or put back`,
      mend: `df -h ${folder}`,
    },
  ];
}

function backup({ backup: seen, at }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  const last = seen.value;
  if (last !== null && at.getTime() - last.getTime() <= backupMsMax) return [];
  return [
    {
      kind: "stale",
      code: last === null ? "never-backed-up" : "backup-old",
      about: "store",
      says:
        last === null
          ? "Lastgood's own records were never backed up"
          : `the last backup of Lastgood's own records is of ${last.toISOString()}`,
      mend: "lastgood backup ./lastgood-backup",
    },
  ];
}

function drill({ drill: seen, at }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  const last = seen.value;
  const mend = `lastgood drill run ${last?.drill ?? "september"}`;
  const common = { about: "drills", mend } as const;
  if (last === null) {
    const says = "the way back was never rehearsed here";
    return [{ ...common, kind: "stale", code: "never-drilled", says }];
  }
  if (!last.ok) {
    const says = `the drill ${last.drill} failed at ${last.at.toISOString()}`;
    return [{ ...common, kind: "broken", code: "drill-failed", says }];
  }
  if (at.getTime() - last.at.getTime() <= drillMsMax) return [];
  const says = `the way back was last rehearsed at ${last.at.toISOString()}`;
  return [{ ...common, kind: "stale", code: "drill-old", says }];
}

function engine({ servers, messages }: Facts): readonly Finding[] {
  if (!servers.seen || !messages.seen) return [];
  if (servers.value <= 1 || messages.value.engine !== "embedded") return [];
  return [
    {
      kind: "broken",
      code: "embedded-log-shared",
      about: "messages",
      says: `${servers.value} servers share this database, and the embedded message log is made for one`,
      mend: "lastgood config set messages.engine nats",
    },
  ];
}
