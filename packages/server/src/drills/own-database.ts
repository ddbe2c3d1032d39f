import { openDatabase } from "../store/database.ts";

/** A database of the world's own in the server that was given; dropped when the stage is taken down. */
export async function ownDatabase(
  stage: AsyncDisposableStack,
  given: string,
  prefix: string,
): Promise<string> {
  const name = `${prefix}_${process.pid}_${Date.now().toString(36)}`;
  await execute(given, `create database ${name}`);
  stage.defer(() => execute(given, `drop database if exists ${name} with (force)`));
  const url = new URL(given);
  url.pathname = `/${name}`;
  return url.href;
}

async function execute(url: string, statement: string): Promise<void> {
  const database = openDatabase(url, { max: 1 });
  try {
    await database.unsafe(statement);
  } finally {
    await database.end();
  }
}
