import type { ClientRequest } from "node:http";

/**
 * Hears of the other side that it changes to another protocol, which nobody asked it for. Without it neither an answer
 * nor an error comes of the request, and no deadline or signal ends the wait for them.
 */
export function onUnaskedUpgrade(request: ClientRequest, fail: (error: Error) => void): void {
  request.once("upgrade", (_answer, socket) => {
    socket.destroy();
    fail(new Error("it answered 101, and changed to a protocol that nobody asked for"));
  });
}
