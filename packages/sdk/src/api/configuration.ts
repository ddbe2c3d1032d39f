import type { Call } from "../call.ts";

/** The configuration in force, and how the file behind it is. Values that may be secret are not shown. */
export interface ConfigurationReport {
  /** The lastgood.yaml; null where the server runs without one. */
  readonly file: string | null;
  /** When what is in force was read. */
  readonly readAt: string | null;
  /** True when the file was faulty at start, and the last good copy of it is in force. */
  readonly fromCopy: boolean;
  /** What is wrong with the file as it is now: what is in force is then an older one. */
  readonly fault: string | null;
  readonly warnings: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
}

export function configurationApi(call: Call) {
  return {
    configuration: () => call<ConfigurationReport>("GET", "/v1/configuration"),
    reloadConfiguration: () => call<ConfigurationReport>("POST", "/v1/configuration/reload"),
  };
}
