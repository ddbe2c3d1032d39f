/**
 * The driver `postgres`, mended where a lost connection would harm us.
 *
 * In 3.4.9 a connection that is lost at the wrong moment ends our process (a buffered write meets a socket
 * that is gone, in a timer where nothing can catch it), or never works again (the timer that was cleared is
 * taken for one that is set), or leaves a statement without an answer, or runs the rest of a transaction's
 * statements one by one on a connection that was opened anew; and one that is full fails the transaction that
 * begins on it. We promise that every loop survives, so these few lines are corrected as the driver's files are
 * loaded, in an instance that is ours alone. Each correction names the text that it replaces: a version in which
 * one is not found fails here, loudly, and the correction is then reviewed or dropped.
 * See docs/decisions/0002-mended-driver.md.
 */
import { registerHooks } from "node:module";
import type postgres from "postgres";

interface Mending {
  readonly file: "connection.js" | "index.js" | "queue.js";
  readonly from: string;
  readonly to: string;
}

const closedTimer = "    clearImmediate(nextWriteTimer)\n";

const mendings: readonly Mending[] = [
  // Nothing is sent to a connection without a socket: the statement fails, where its caller hears it.
  {
    file: "connection.js",
    from: "    if (stream)\n      return queryError(q, Errors.generic('COPY_IN_PROGRESS'",
    to: `    if (socket === null) {
      queryError(q, Errors.connection('CONNECTION_CLOSED', options, socket))
      return true
    }

    if (stream)
      return queryError(q, Errors.generic('COPY_IN_PROGRESS'`,
  },
  {
    file: "connection.js",
    from: "    const x = socket.write(chunk, fn)\n",
    to: "    const x = socket === null || socket.write(chunk, fn)\n",
  },
  // Statements that came between the failure of a socket and its end fail with it.
  {
    file: "connection.js",
    from: "    !hadError && (query || sent.length) && error(",
    to: "    if (query || sent.length) error(",
  },
  // A closed connection starts afresh: no timer counts as set, no bytes of the former one are sent.
  {
    file: "connection.js",
    from: `${closedTimer}    if (socket) {\n`,
    to: `${closedTimer}    chunk = nextWriteTimer = null\n    if (socket) {\n`,
  },
  {
    file: "connection.js",
    from: `${closedTimer}    socket.removeListener('data', data)\n`,
    to: `${closedTimer}    chunk = nextWriteTimer = null\n    socket.removeListener('data', data)\n`,
  },
  // A connection that is lost as it learns the types of arrays has failed its statement; nobody hears of more.
  {
    file: "connection.js",
    from: "        return fetchArrayTypes()\n",
    to: "        return fetchArrayTypes().catch(() => {})\n",
  },
  // The end of a COPY is not held back until the rows before it are acknowledged (40 ms each time).
  {
    file: "connection.js",
    from: "    x.on('error', error)\n    x.on('close', closed)\n",
    to: "    x.setNoDelay?.(true)\n    x.on('error', error)\n    x.on('close', closed)\n",
  },
  // A COPY that is refused after its last row ends its stream with the refusal.
  {
    file: "connection.js",
    from: "    stream && (stream.destroy(err), stream = null)\n",
    to: "    stream && (stream.destroy(err), stream = null)\n    final && (final(err), final = null)\n",
  },
  // A transaction has its connection for itself, also where it began behind a full pipeline or a full socket.
  {
    file: "connection.js",
    from: "      return write(toBuffer(q))\n",
    to: "      const hasRoom = write(toBuffer(q))\n      if (q.options.onexecute) return q.options.onexecute(connection)\n      return hasRoom\n",
  },
  {
    file: "connection.js",
    from: "        && sent.length < max_pipeline\n        && (!q.options.onexecute || q.options.onexecute(connection))\n",
    to: "        && sent.length < max_pipeline\n",
  },
  // A transaction whose connection was lost is over, also for a statement that comes to it later.
  {
    file: "index.js",
    from: "      , connection\n",
    to: "      , connection\n      , lost = null\n",
  },
  {
    file: "index.js",
    from: "connection.onclose = reject)",
    to: "connection.onclose = e => (lost = e, reject(e)))",
  },
  {
    file: "index.js",
    from: "        q.catch(e => uncaughtError || (uncaughtError = e))\n",
    to: `        q.catch(e => uncaughtError || (uncaughtError = e))
        if (lost)
          return q.reject(lost)
`,
  },
  // Of those that are idle, the one that was used last is next: behind it PostgreSQL has read what our tables are.
  {
    file: "index.js",
    from: "go(open.shift(), query)",
    to: "go(open.pop(), query)",
  },
  {
    file: "queue.js",
    from: "    push: (x) => (xs.push(x), x),\n",
    to: `    push: (x) => (xs.push(x), x),
    pop: () => {
      const out = xs.pop()
      if (index === xs.length) {
        index = 0
        xs = []
      }
      return out
    },
`,
  },
];

/** Tells our instance's modules from those of the package as anybody else imports it. */
const mark = "?mended";

async function loadMended(): Promise<typeof postgres> {
  const entry = import.meta.resolve("postgres");
  const folder = entry.slice(0, entry.lastIndexOf("/") + 1);
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const ours = context.parentURL?.endsWith(mark) && resolved.url.startsWith(folder);
      return ours ? { ...resolved, url: resolved.url + mark } : resolved;
    },
    load(url, context, next) {
      if (!url.startsWith(folder) || !url.endsWith(mark)) return next(url, context);
      const loaded = next(url.slice(0, -mark.length), context);
      const source = mend(url.slice(folder.length, -mark.length), String(loaded.source));
      return { ...loaded, source };
    },
  });
  try {
    const loaded: { default: typeof postgres } = await import(entry + mark);
    return loaded.default;
  } finally {
    hooks.deregister();
  }
}

function mend(file: string, source: string): string {
  return mendings
    .filter((each) => each.file === file)
    .reduce((text, { from, to }) => {
      if (text.split(from).length !== 2) {
        throw new Error(
          `This version of the driver postgres is not the one that is mended: ${from}`,
        );
      }
      return text.replace(from, () => to);
    }, source);
}

/** Opens a pool: the driver's own function, on the mended instance. */
export const openPool: typeof postgres = await loadMended();
