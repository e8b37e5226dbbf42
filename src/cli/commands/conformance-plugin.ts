import { readElf } from "../../engine/elf/read.ts";
import { R_BPF_64_32, SHF_EXECINSTR } from "../../engine/elf/types.ts";
import { checkEncoding } from "../../engine/isa/check-encoding.ts";
import { decodeInstructions, type Instruction } from "../../engine/isa/instruction.ts";
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, LD_IMM64 } from "../../engine/isa/opcodes.ts";
import { loadObject } from "../../engine/loader/load-object.ts";
import { type Executable, makeExecutable } from "../../engine/vm/executable.ts";
import { compileProgram } from "../../engine/vm/jit/compile.ts";
import { guestAddress } from "../../engine/vm/memory.ts";
import { STANDALONE_STRIDE, StandaloneVm } from "../../engine/vm/standalone.ts";
import { webAssemblyHost } from "../../host/wasm-host.ts";

const USAGE = "usage: conformance-plugin [MEMORY] [--interpreter|--jit] [--elf] < PROGRAM";
const CODE_BASE = 0xffff_ffff_c000_0000n;

/** What the command says: `out` goes to stdout, `error` to stderr. */
export interface PluginAnswer {
  readonly status: 0 | 1 | 2;
  readonly out: string;
  readonly error: string;
}

const refuse = (error: string, status: 1 | 2 = 1): PluginAnswer => ({ status, out: "", error });

/** Hex bytes separated by white space, or null. Pairs of digits need no space between. */
function parseHex(text: string): Uint8Array | null {
  const bytes: number[] = [];
  for (const word of text.split(/\s+/)) {
    if (word === "") continue;
    const digits = word.replace(/^0x/i, "");
    if (!/^[0-9a-fA-F]+$/.test(digits)) return null;
    if (digits.length === 1) bytes.push(Number.parseInt(digits, 16));
    else if (digits.length % 2 !== 0) return null;
    else for (let i = 0; i < digits.length; i += 2) bytes.push(Number.parseInt(digits.slice(i, i + 2), 16));
  }
  return Uint8Array.from(bytes);
}

/** The program of an object: its first one, or its `.text` when it has no program sections. */
function programOfElf(bytes: Uint8Array): readonly Instruction[] | string {
  const elf = readElf(bytes);
  if (!elf.ok) return elf.error;
  const code = elf.value.sections.filter((s) => (s.flags & SHF_EXECINSTR) !== 0 && s.bytes.length > 0);
  if (code.length === 0) return "the object has no code";
  const text = code.find((s) => s.name === ".text");
  if (text === undefined || code.length > 1) {
    const loaded = loadObject(bytes, "object");
    if (!loaded.ok) return loaded.error[0]?.message ?? "the object does not load";
    const program = loaded.value.programs[0];
    if (program === undefined) return "the object has no program";
    if (program.mapReferences.length > 0) return "programs with maps need a kernel; there is none here";
    return program.insns;
  }
  const insns = decodeInstructions(text.bytes);
  for (const relocation of elf.value.relocations.get(text.index) ?? []) {
    const symbol = elf.value.symbols[relocation.symbol];
    const slot = relocation.offset / 8;
    const insn = insns[slot];
    if (relocation.type !== R_BPF_64_32 || symbol?.section !== text.index || insn?.opcode !== CALL)
      return `relocation at slot ${slot} refers to ${symbol?.name || "data"}, which is not in .text`;
    // The addend is the distance from the slot behind the call, as if the symbol stood there.
    const target = symbol.value / 8 + insn.imm + 1;
    insns[slot] = { ...insn, src: BPF_PSEUDO_CALL, imm: target - slot - 1 };
  }
  return insns;
}

function executableOf(insns: readonly Instruction[]): Executable {
  return makeExecutable({
    name: "program",
    insns,
    functions: null,
    lines: null,
    kfuncs: new Map(),
    codeBase: CODE_BASE,
    resolve: () => null,
  });
}

/** The command without its process: arguments and standard input in, the answer out. */
export function answerPlugin(args: readonly string[], input: string): PluginAnswer {
  let memoryText: string | null = null;
  let engine: "jit" | "interpreter" = "jit";
  let elf = false;
  for (const arg of args) {
    if (arg === "--interpreter") engine = "interpreter";
    else if (arg === "--jit") engine = "jit";
    else if (arg === "--elf") elf = true;
    else if (arg.startsWith("--")) return refuse(`unknown option ${arg}\n${USAGE}`, 2);
    else if (memoryText === null) memoryText = arg;
    else return refuse(`more than one MEMORY\n${USAGE}`, 2);
  }
  const memory = parseHex(memoryText ?? "");
  if (memory === null) return refuse("MEMORY is not hex bytes separated by white space", 2);
  const bytes = parseHex(input);
  if (bytes === null) return refuse("the program on stdin is not hex bytes separated by white space", 2);

  let insns: readonly Instruction[];
  if (elf) {
    const found = programOfElf(bytes);
    if (typeof found === "string") return refuse(found);
    insns = found;
  } else {
    if (bytes.length % 8 !== 0) return refuse(`the program has ${bytes.length} bytes, which is no multiple of 8`);
    insns = decodeInstructions(bytes);
  }
  const problem = checkEncoding(insns);
  if (problem !== null) return refuse(`slot ${problem.slot}: ${problem.message}`);
  const wide = insns.findIndex((i) => i.opcode === LD_IMM64 && i.src !== 0 && i.src !== BPF_PSEUDO_FUNC);
  if (wide >= 0) return refuse(`slot ${wide}: maps and kernel variables need a kernel; there is none here`);

  const linear = engine === "jit" ? webAssemblyHost.makeMemory(2 << 20) : null;
  if (engine === "jit" && linear === null) return refuse("no room for a WebAssembly memory");
  const vm = new StandaloneVm(linear);
  const at = memory.length === 0 ? 0 : vm.place(memory, "memory");
  vm.packet = { at, size: memory.length };
  const r1 = memory.length === 0 ? 0n : guestAddress(at);
  const program = executableOf(insns);
  const result =
    engine === "interpreter"
      ? vm.interpret(program, r1, BigInt(memory.length))
      : vm.runCompiled(program, instanceOf(vm, program), r1, BigInt(memory.length));
  if (!result.ok) return refuse(`slot ${result.pc}: ${result.trap.message}`);
  return { status: 0, out: result.r0.toString(16), error: "" };
}

function instanceOf(vm: StandaloneVm, program: Executable) {
  const compiled = compileProgram(program, {
    access: "checked",
    watched: false,
    frameStride: STANDALONE_STRIDE,
    inlineLoop: false,
    arrayAt: () => null,
    hashAt: () => null,
  });
  return vm.instantiate(program, compiled, webAssemblyHost);
}

/** `conformance-plugin [MEMORY] [--interpreter|--jit] [--elf]`: the convention by which suites drive BPF runtimes. */
export async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const answer = answerPlugin(args, Buffer.concat(chunks).toString("latin1"));
  if (answer.out !== "") process.stdout.write(`${answer.out}\n`);
  if (answer.error !== "") process.stderr.write(`${answer.error}\n`);
  return answer.status;
}
