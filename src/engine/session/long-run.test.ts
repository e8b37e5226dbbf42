import { beforeAll, describe, expect, it } from "vitest";
import { nodeCompiler } from "../../cli/node-compiler.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";
import { buildSource } from "../../toolchain/build.ts";
import type { Run } from "./run.ts";
import { buildObject, startRun } from "./session.ts";
import { DEFAULT_SETTINGS, type SessionSettings } from "./types.ts";

/** Verified, and for all practical purposes endless: 2^23 times 2^23 callbacks, and a function with a loop of its own. */
const SOURCE = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int rounds;
__u64 sum;

static __noinline __u64 mix(__u64 seed)
{
    __u64 x = seed | 1;
    for (int i = 0; i < 50; i++)
        x = x * 6364136223846793005ULL + (x >> 7);
    return x;
}

static long inner(__u32 i, void *ctx)
{
    *(__u64 *)ctx += i;
    return 0;
}

static long outer(__u32 i, void *ctx)
{
    bpf_loop(1 << 23, inner, ctx, 0);
    sum += mix(i);
    rounds++;
    return 0;
}

SEC("tc")
int spin(struct __sk_buff *skb)
{
    __u64 local = skb->len;

    /* As many small events as a run tells: what follows is not told, and needs the kernel no more. */
    for (int i = 0; i < 2100; i++)
        local += bpf_get_prandom_u32();
    bpf_loop(1 << 23, outer, &local, 0);
    return 0;
}

SEC("tc")
int once(struct __sk_buff *skb)
{
    rounds = mix(skb->len) & 7;
    return rounds;
}

char LICENSE[] SEC("license") = "GPL";
`;

let object: Uint8Array;
beforeAll(async () => {
  const built = await buildSource(
    nodeCompiler,
    { file: "spin.bpf.c", text: SOURCE },
    { cpuVersion: "v3", optimization: "O2" },
  );
  if (built.object === null) throw new Error(JSON.stringify(built.diagnostics));
  object = built.object;
});

function start(script: string, settings: Partial<SessionSettings>): Run {
  const { built, report } = buildObject({
    object,
    name: "spin.bpf.o",
    settings: { ...DEFAULT_SETTINGS, ...settings },
    diagnostics: [],
  });
  if (built === null || !report.ok) throw new Error(JSON.stringify(report));
  return startRun(built, script, webAssemblyHost).run;
}

/** Program counter and depth of what runs on CPU 0; null when nothing does. */
function standing(run: Run): string | null {
  const { kernel } = run;
  const task = kernel.state.tasks.get(kernel.state.cpus[0]?.stack.at(-1) ?? -1);
  const frame = task === undefined ? null : kernel.vmFrame(task);
  return frame === null || task === undefined ? null : `${task.frames.length}:${frame.pc}`;
}

const PLAY = 20_000;

describe("a program that runs for long", () => {
  it("is left every few million instructions, where it stands, and goes on compiled", () => {
    const run = start("prog run spin\n", { engine: "jit" });
    const places = new Set<string | null>();
    for (let i = 0; i < 60; i++) {
      expect(run.tick(Number.POSITIVE_INFINITY, PLAY)).toBe("worked");
      places.add(standing(run));
    }
    expect(run.state).toBe("going");
    expect(run.kernel.state.oops).toBe(null);
    expect(standing(run)).not.toBe(null);
    // Sixty slices of the interpreter would not come to the end of one inner loop of 8 million calls.
    expect([...run.kernel.state.tasks.values()][0]?.spent).toBeGreaterThan(100_000_000);
    expect(run.kernel.memory.view.getUint32(globalAt(run), true)).toBeGreaterThan(0);
  });

  it("then goes one instruction at a time, and on", () => {
    const run = start("prog run spin\n", { engine: "jit" });
    for (let i = 0; i < 20; i++) run.tick(Number.POSITIVE_INFINITY, PLAY);
    const places: (string | null)[] = [];
    for (let i = 0; i < 40; i++) {
      run.tick(Number.POSITIVE_INFINITY, 1);
      places.push(standing(run));
    }
    expect(new Set(places).size).toBeGreaterThan(5);
    for (let i = 0; i < 5; i++) run.tick(Number.POSITIVE_INFINITY, PLAY);
    expect(run.kernel.state.oops).toBe(null);
    expect(run.state).toBe("going");
  });

  it("goes back to a moment before, and by its events again", () => {
    const run = start("prog run once\nprog run spin\n", { engine: "jit" });
    for (let i = 0; i < 40; i++) run.tick(Number.POSITIVE_INFINITY, PLAY);
    const { position } = run;
    run.seek(position - 1);
    expect(run.position).toBe(position - 1);
    run.seek(position);
    expect(run.position).toBe(position);
    run.back();
    expect(run.position).toBeLessThan(position);
    run.toHead();
    for (let i = 0; i < 5; i++) expect(run.tick(Number.POSITIVE_INFINITY, PLAY)).toBe("worked");
    expect(run.kernel.state.oops).toBe(null);
  });

  it("steps by one instruction from the start as the interpreter does", () => {
    const steps = (engine: "jit" | "interpreter"): (string | null)[] => {
      const run = start("prog run once\n", { engine });
      const places: (string | null)[] = [];
      for (let i = 0; i < 500 && !run.scriptFinished; i++) {
        run.tick(Number.POSITIVE_INFINITY, 1);
        places.push(standing(run));
      }
      return places;
    };
    const expected = steps("interpreter");
    expect(new Set(expected).size).toBeGreaterThan(8);
    expect(steps("jit")).toEqual(expected);
  });
});

/** Where `rounds` lies: the only variable of .bss that both programs write. */
function globalAt(run: Run): number {
  for (const map of run.kernel.state.maps.values())
    if (map.name.endsWith(".bss") && map.storage.kind === "array") return map.storage.base;
  throw new Error("no .bss");
}
