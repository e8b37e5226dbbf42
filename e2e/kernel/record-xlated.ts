import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { startKernelJudge } from "./kernel-judge.ts";
import {
  calledFunction,
  FIELD_OWNERS,
  fieldLines,
  fieldProbe,
  helperProbe,
  kernelProbe,
  LAST_FIELD,
  PROBE_TYPES,
  PROBED_HELPERS,
} from "./xlated-probes.ts";

/** `npx tsx e2e/kernel/record-xlated.ts`: asks the live kernel and bpftool about every probe, and writes cases/xlated-probes.json. */
const started = await startKernelJudge();
if ("unavailable" in started) throw new Error(started.unavailable);
const judge = started;

const helpers: Record<string, Record<string, string>> = {};
for (const of of PROBE_TYPES) {
  for (const helper of Object.keys(PROBED_HELPERS)) {
    for (const result of [1, 0]) {
      const { xlated } = await judge.judge(kernelProbe(of, helperProbe(helper, result)));
      if (xlated === null) continue;
      helpers[helper] = { ...helpers[helper], [of.type]: calledFunction(xlated) ?? "" };
      break;
    }
  }
}
const fields: Record<string, Record<string, string>> = {};
for (const { name, owner, of } of FIELD_OWNERS) {
  const found: Record<string, string> = {};
  for (let offset = 0; offset < LAST_FIELD; offset += 4) {
    for (const size of [8, 4, 1]) {
      if (offset % size !== 0) continue;
      const { xlated } = await judge.judge(kernelProbe(of, fieldProbe(owner, offset, size)));
      if (xlated !== null) found[`${offset} ${size}`] = fieldLines(owner, xlated);
    }
  }
  fields[name] = found;
}
judge.stop();
const text = JSON.stringify({ kernel: release(), helpers, fields }, null, 1);
writeFileSync(new URL("./cases/xlated-probes.json", import.meta.url), `${text}\n`);
