import type { Finding } from "@lastgood/sdk";
import { callOrder, channelsOf } from "../notify/page.ts";
import type { CoverageCheck, Facts } from "./facts.ts";

export const peopleChecks: readonly CoverageCheck[] = [nobody, variables, deliveries, postMortems];

function nobody({ config, pages }: Facts): readonly Finding[] {
  const found: Finding[] = [];
  const [person = "<person>"] = [config.pages.owner, ...Object.keys(config.people)].filter(
    (name) => name !== undefined,
  );
  const mend = `lastgood config set people.${person}.pagerduty <VARIABLE>`;
  if (callOrder(config, null).length === 0) {
    found.push({
      kind: "unprotected",
      code: "nobody-to-call",
      about: "people",
      says: "nobody can be called: no one under `people` has a pagerduty or webhook",
      mend,
    });
  } else {
    for (const name of owners(config)) {
      if (!Object.hasOwn(config.people, name) || channelsOf(config, name).length > 0) continue;
      found.push({
        kind: "unprotected",
        code: "owner-unreachable",
        about: `person ${name}`,
        says: `${name} owns something and cannot be called: ${callOrder(config, name)[0]} is called instead`,
        mend: `lastgood config set people.${name}.pagerduty <VARIABLE>`,
      });
    }
  }
  if (pages.seen && pages.value.nobodyToCall.length > 0) {
    found.push({
      kind: "broken",
      code: "page-for-nobody",
      about: `incident ${pages.value.nobodyToCall[0]}`,
      says: `${pages.value.nobodyToCall.length} incidents need a person, and nobody can be called`,
      mend,
    });
  }
  return found;
}

/** What a post-mortem asks is answered within five working days. */
function postMortems({ postMortems: open }: Facts): readonly Finding[] {
  const [oldest] = open.seen ? open.value : [];
  if (!open.seen || oldest === undefined) return [];
  const count = open.value.length;
  return [
    {
      kind: "noted",
      code: "post-mortem-open",
      about: `incident ${oldest}`,
      says: `${count} post-mortem${count === 1 ? " leaves" : "s leave"} a gap or a question open for more than a week: ${open.value.slice(0, 5).join(", ")}`,
      mend: `lastgood incident post-mortem ${oldest}`,
    },
  ];
}

function owners({ pages, services, agents }: Facts["config"]): ReadonlySet<string> {
  const named = [pages, ...Object.values(services), ...Object.values(agents)];
  return new Set(named.flatMap(({ owner }) => owner ?? []));
}

function variables({ config, variables: set }: Facts): readonly Finding[] {
  const named = [
    ...Object.entries(config.people).map(([name, { pagerduty }]) => [
      `person ${name}`,
      pagerduty,
      "a call by PagerDuty could not be made",
    ]),
    ["pages", config.pages.pagerdutySecret, "acknowledgements from PagerDuty are refused"],
  ] as const;
  return named.flatMap(([about, variable, harm]): readonly Finding[] =>
    variable === undefined || set[variable] !== false
      ? []
      : [
          {
            kind: "broken",
            code: "variable-not-set",
            about: about ?? "pages",
            says: `${variable} is not set in Lastgood's environment: ${harm}`,
            mend: `${variable}=<secret> lastgood start`,
          },
        ],
  );
}

function deliveries({ pages }: Facts): readonly Finding[] {
  if (!pages.seen) return [];
  return pages.value.undeliverable.map((each) => ({
    kind: "broken",
    code: "page-undeliverable",
    about: `incident ${each.incident}`,
    says: `${each.person} could not be reached by ${each.channel}: ${each.because}`,
    mend: `lastgood page retry ${each.incident}`,
  }));
}
