import { runCompilerOracle } from "./compiler-oracle.ts";
import { runVerifierOracle } from "./verifier-oracle.ts";

/** `npm run oracle -- verifier|compiler [options]`: ours beside Linux and the other compilers; see the two files. */
const [which, ...args] = process.argv.slice(2);
const oracles: Record<string, (args: readonly string[]) => Promise<number>> = {
  verifier: runVerifierOracle,
  compiler: runCompilerOracle,
};
const oracle = oracles[which ?? ""];
if (oracle === undefined) {
  console.error("usage: npm run oracle -- verifier|compiler [--count N] [--seed S] ...");
  process.exit(2);
}
process.exit(await oracle(args));
