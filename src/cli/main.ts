/**
 * The playground without a page. `npm run -s cli -- COMMAND FILE…`: data to stdout, messages to stderr; exit 0 done, 1 a program
 * was refused, an expectation failed or a schedule fails, 2 bad usage or input, 3 not modelled here or not searched to the end.
 */
interface CommandModule {
  run(args: readonly string[]): Promise<number>;
}

const COMMANDS = ["compile", "verify", "run", "explore", "disasm", "lesson", "conformance-plugin"];

const USAGE = `usage: npm run -s cli -- COMMAND FILE…
  compile FILE.c|.s [-o OUT.bpf.o] [--mcpu v1..v4] [-O0|-O1|-O2] [--emit obj|asm|ir]
  verify  FILE.c|.s|.o [--json] [--log 0|1|2|4]
  run     FILE [--script FILE.user] [--policy P] [--cpus N] [--seed N] [--insn-cost NS] [--unverified]
          [--engine jit|interpreter] [--json]
  explore FILE [--script FILE.user] [--policy P] [--bound K] [--states N] [--cpus N] [--seed N] [--unverified] [--json]
  disasm  FILE
  conformance-plugin
  lesson  check
`;

async function main(): Promise<number> {
  const [name = "", ...args] = process.argv.slice(2);
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  if (!COMMANDS.includes(name)) {
    process.stderr.write(name === "" ? USAGE : `unknown command '${name}'\n${USAGE}`);
    return 2;
  }
  // Only what the command needs is loaded: the compiler alone takes a while.
  const command = (await import(new URL(`./commands/${name}.ts`, import.meta.url).href)) as CommandModule;
  return command.run(args);
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 70;
  },
);
