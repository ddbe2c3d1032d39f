const [group, name, ...args] = process.argv.slice(2);

if (group === "hooks" && name === "run") {
  // An agent waits for it at every event: it starts sooner without all other commands.
  const { runHookCommand } = await import("./commands/run-hook.ts");
  await runHookCommand(args);
} else {
  const { runTypedCommand } = await import("./typed-command.ts");
  await runTypedCommand();
}
