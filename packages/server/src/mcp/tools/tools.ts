import type { Tool } from "../tool.ts";
import { checkpointTools } from "./checkpoint-tools.ts";
import { effectTools } from "./effect-tools.ts";
import { messageTools } from "./message-tools.ts";
import { responderTools } from "./responder-tools.ts";
import { rolloutTools } from "./rollout-tools.ts";
import { sessionTools } from "./session-tools.ts";
import { skillTools } from "./skill-tools.ts";
import { stateTools } from "./state-tools.ts";
import { taskTools } from "./task-tools.ts";

/** All of them, in the order in which an agent needs them. The same verbs as the SDK's and the CLI's. */
export const tools: readonly Tool[] = [
  ...[...sessionTools, ...messageTools, ...taskTools, ...checkpointTools],
  ...[...stateTools, ...effectTools, ...responderTools, ...skillTools],
  ...rolloutTools,
];
