import type { Configuration } from "../../config/config.ts";
import type { App } from "../../http/app.ts";
import { deadLetterRoutes } from "./dead-letter-routes.ts";
import { deliveryRoutes } from "./delivery-routes.ts";
import { inboxRoutes } from "./inbox-routes.ts";
import type { Messages } from "./messages.ts";
import { publishRoutes } from "./publish-routes.ts";
import { registryRoutes } from "./registry-routes.ts";

/** Everything that people and agents do with messages. */
export function messagesRoutes(app: App, messages: Messages, configuration: Configuration): void {
  const { core } = messages;
  // Whoever waits for a message is answered before the doors close, which would wait for them.
  app.addHook("preClose", async () => messages.endWaits());
  publishRoutes(app, core);
  deliveryRoutes(app, { core, configuration });
  inboxRoutes(app, messages, configuration);
  deadLetterRoutes(app, core);
  registryRoutes(app, messages);
}
