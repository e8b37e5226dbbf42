/** `npm run bench -- NAME`: speeds as ratios against a peer in the same run. */
interface BenchModule {
  run(args: readonly string[]): Promise<number>;
}

const BENCHES = ["vm", "verifier", "compiler", "timers", "edit"];

async function main(): Promise<number> {
  const [name = "", ...args] = process.argv.slice(2);
  if (!BENCHES.includes(name)) {
    process.stderr.write(`usage: npm run bench -- ${BENCHES.join("|")}\n`);
    return 2;
  }
  const bench = (await import(`./${name}.ts`)) as BenchModule;
  return bench.run(args);
}

process.exitCode = await main();
