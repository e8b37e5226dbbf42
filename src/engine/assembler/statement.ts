import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { ALU_OPERATORS, JUMP_OPERATORS } from "../isa/format.ts";
import type { Instruction } from "../isa/instruction.ts";
import {
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_B,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_END,
  BPF_FETCH,
  BPF_H,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_W,
  BPF_X,
  BPF_XCHG,
  CALL,
  EXIT,
  JA,
  JA32,
  LD_IMM64,
  MAY_GOTO,
} from "../isa/opcodes.ts";
import { LineError, type LineFault, type Token, TokenReader, tokenize } from "./tokens.ts";

/** What an instruction names; resolved by whoever knows the whole text. Columns as in {@link LineFault}. */
export type Reference = { readonly column: number; readonly endColumn: number } & (
  | { readonly kind: "jump"; readonly field: "off" | "imm"; readonly label: string }
  /** A function of this text, a helper, or a function of the kernel: by name alone it cannot be told. */
  | { readonly kind: "call"; readonly name: string }
  | { readonly kind: "kfunc"; readonly name: string; readonly btfId: number | null }
  /** Two-slot load. `symbol` in LLVM's spelling; the others in that of the recorded cases. */
  | {
      readonly kind: "address";
      readonly what: "symbol" | "map" | "map_value" | "func" | "btf_id";
      readonly name: string;
      readonly addend: number;
    }
);

export interface Statement {
  /** One slot, or two for a 64-bit immediate load. Fields that a reference fills are 0. */
  readonly slots: readonly Instruction[];
  readonly reference: Reference | null;
}

/**
 * One instruction in LLVM's syntax (`r1 = *(u32 *)(r2 + 4)`, `if w1 s> 3 goto l`, `r1 = hmap ll`) or as the kernel's log
 * writes it (`r1 = *(u32 *)(r2 +4)`, `goto pc+1`, `call bpf_map_lookup_elem#1`), without comment. Encodings that neither can say:
 * `raw OPCODE DST SRC OFF IMM`, the opcode in hexadecimal.
 */
export function parseStatement(text: string): Result<Statement, LineFault> {
  try {
    return ok(readWholeStatement(tokenize(text)));
  } catch (error) {
    if (error instanceof LineError) return err(error.fault);
    throw error;
  }
}

/** As {@link parseStatement}, of tokens; throws {@link LineError}. */
export function readWholeStatement(tokens: readonly Token[]): Statement {
  const reader = new TokenReader(tokens);
  const statement = readStatement(reader);
  reader.end();
  return statement;
}

const insn = (opcode: number, dst = 0, src = 0, off = 0, imm = 0): Instruction => ({ opcode, dst, src, off, imm });
const plain = (...slots: Instruction[]): Statement => ({ slots, reference: null });
const place = (token: Token): { column: number; endColumn: number } => ({
  column: token.column,
  endColumn: token.endColumn,
});

interface Register {
  readonly number: number;
  readonly wide: boolean;
  readonly token: Token;
}

const REGISTER = /^([rw])(\d+)$/;
const SIZES: Readonly<Record<string, number>> = { "8": BPF_B, "16": BPF_H, "32": BPF_W, "64": BPF_DW };

function isRegister(token: Token | undefined): boolean {
  return token?.kind === "word" && REGISTER.test(token.text);
}

function register(reader: TokenReader): Register {
  const token = reader.peek();
  const match = token?.kind === "word" ? REGISTER.exec(token.text) : null;
  if (!token || !match) reader.fail("expected a register");
  const number = Number(match[2]);
  if (number > 10) reader.fail(`there is no register ${token.text}: r0 to r10, w0 to w10`);
  reader.take();
  return { number, wide: match[1] === "r", token };
}

function registerOfWidth(reader: TokenReader, wide: boolean): Register {
  const found = register(reader);
  if (found.wide !== wide) reader.failAt(found.token, `expected ${wide ? "a 64-bit" : "a 32-bit"} register here`);
  return found;
}

function wideRegister(reader: TokenReader): number {
  return registerOfWidth(reader, true).number;
}

/** -2^31 .. 2^32 - 1; the upper half is read as unsigned. */
function imm32(reader: TokenReader): number {
  const { value, token } = reader.number();
  if (value < -0x8000_0000n || value > 0xffff_ffffn) reader.failAt(token, `${value} does not fit into 32 bits`);
  return Number(BigInt.asIntN(32, value));
}

function off16(reader: TokenReader): number {
  const { value, token } = reader.number("an offset");
  if (value < -0x8000n || value > 0x7fffn) reader.failAt(token, `offset ${value} does not fit into 16 bits`);
  return Number(value);
}

/** `(u32 *)`, in its parentheses. */
function pointerType(reader: TokenReader): { size: number; signed: boolean; token: Token } {
  reader.expect("(");
  const token = reader.word("a type: u8, u16, u32, u64");
  const match = /^([us])(8|16|32|64)$/.exec(token.text);
  if (!match) reader.failAt(token, `'${token.text}' is no type of memory: u8, u16, u32, u64, s8, s16, s32`);
  reader.expect("*");
  reader.expect(")");
  return { size: SIZES[match[2] as string] as number, signed: match[1] === "s", token };
}

/** `(r1 + 4)`, `(r1 +4)` or `(r1)`. */
function address(reader: TokenReader): { base: number; off: number } {
  reader.expect("(");
  const base = wideRegister(reader);
  const off = reader.is(")") ? 0 : signedOffset(reader);
  reader.expect(")");
  return { base, off };
}

function signedOffset(reader: TokenReader): number {
  if (!reader.is("+") && !reader.is("-")) reader.fail("expected '+' or '-' and an offset");
  return off16(reader);
}

function readStatement(reader: TokenReader): Statement {
  const first = reader.peek();
  if (!first) reader.fail("expected an instruction");
  if (isRegister(first)) return assignment(reader);
  switch (first.text) {
    case "*":
      return store(reader);
    case "lock":
      return lock(reader);
    case "store_release":
      return storeRelease(reader);
    case "if":
      return conditional(reader);
    case "goto":
      reader.take();
      return jump(reader, insn(JA), "off");
    case "gotol":
      reader.take();
      return jump(reader, insn(JA32), "imm");
    case "may_goto":
      reader.take();
      return jump(reader, insn(MAY_GOTO), "off");
    case "call":
      reader.take();
      return call(reader);
    case "callx":
      reader.take();
      return plain(insn(CALL | BPF_X, wideRegister(reader)));
    case "gotox":
      reader.take();
      return plain(insn(JA | BPF_X, wideRegister(reader)));
    case "exit":
      reader.take();
      return plain(insn(EXIT));
    case "raw":
      return raw(reader);
    default:
      reader.fail(first.kind === "word" ? `there is no instruction '${first.text}'` : "expected an instruction");
  }
}

function raw(reader: TokenReader): Statement {
  reader.take();
  const opcode = reader.take();
  if (!/^(0x)?[0-9a-f]{1,2}$/i.test(opcode.text)) reader.failAt(opcode, "expected an opcode of two hexadecimal digits");
  const field = (low: bigint, high: bigint): number => {
    const { value, token } = reader.number();
    if (value < low || value > high) reader.failAt(token, `${value} is not in ${low} to ${high}`);
    return Number(value);
  };
  const dst = field(0n, 15n);
  const src = field(0n, 15n);
  const off = field(-0x8000n, 0x7fffn);
  const imm = field(-0x8000_0000n, 0xffff_ffffn) | 0;
  return plain(insn(Number.parseInt(opcode.text, 16), dst, src, off, imm));
}

function store(reader: TokenReader): Statement {
  reader.take();
  const type = pointerType(reader);
  if (type.signed) reader.failAt(type.token, "a store has no sign: u8, u16, u32 or u64");
  const { base, off } = address(reader);
  reader.expect("=");
  if (isRegister(reader.peek())) {
    const value = register(reader);
    if (!value.wide && type.size === BPF_DW) reader.failAt(value.token, "a 64-bit store needs a 64-bit register");
    return plain(insn(BPF_STX | BPF_MEM | type.size, base, value.number, off));
  }
  return plain(insn(BPF_ST | BPF_MEM | type.size, base, 0, off, imm32(reader)));
}

const LOCK_OPERATIONS: Readonly<Record<string, number>> = { "+=": 0x00, "|=": 0x40, "&=": 0x50, "^=": 0xa0 };
const FETCH_OPERATIONS: Readonly<Record<string, number>> = { add: 0x00, or: 0x40, and: 0x50, xor: 0xa0 };

function lock(reader: TokenReader): Statement {
  reader.take();
  reader.expect("*");
  const type = pointerType(reader);
  const opcode = BPF_STX | BPF_ATOMIC | type.size;
  const { base, off } = address(reader);
  const operator = reader.take();
  const operation = LOCK_OPERATIONS[operator.text];
  if (operation === undefined) reader.failAt(operator, "expected one of += |= &= ^=");
  return plain(insn(opcode, base, register(reader).number, off, operation));
}

function storeRelease(reader: TokenReader): Statement {
  reader.take();
  reader.expect("(");
  const type = pointerType(reader);
  const { base, off } = address(reader);
  reader.expect(",");
  const value = register(reader);
  reader.expect(")");
  return plain(insn(BPF_STX | BPF_ATOMIC | type.size, base, value.number, off, BPF_STORE_REL));
}

function conditional(reader: TokenReader): Statement {
  reader.take();
  const left = register(reader);
  const operator = reader.take();
  const code = JUMP_OPERATORS.indexOf(operator.text);
  if (code <= 0 || operator.kind !== "sign") reader.failAt(operator, `'${operator.text}' is no comparison`);
  const opcode = (left.wide ? BPF_JMP : BPF_JMP32) | (code << 4);
  const body = isRegister(reader.peek())
    ? insn(opcode | BPF_X, left.number, registerOfWidth(reader, left.wide).number)
    : insn(opcode, left.number, 0, 0, imm32(reader));
  reader.expect("goto");
  return jump(reader, body, "off");
}

/** Target of a jump: a label, or slots behind the next one (`+3`, `-2`, `pc+3`). */
function jump(reader: TokenReader, body: Instruction, field: "off" | "imm"): Statement {
  const token = reader.peek();
  if (token?.kind === "word" && !(token.text === "pc" && (reader.is("+", 1) || reader.is("-", 1)))) {
    reader.take();
    return { slots: [body], reference: { kind: "jump", field, label: token.text, ...place(token) } };
  }
  reader.accept("pc");
  const distance = field === "off" ? off16(reader) : imm32(reader);
  // LLVM's disassembler repeats the target: `goto +3 <L>`.
  if (reader.accept("<")) {
    while (!reader.is(">")) reader.take();
    reader.take();
  }
  return plain({ ...body, [field]: distance });
}

function call(reader: TokenReader): Statement {
  const token = reader.peek();
  if (token?.kind === "word" && token.text === "pc" && (reader.is("+", 1) || reader.is("-", 1))) {
    reader.take();
    return plain(insn(CALL, 0, BPF_PSEUDO_CALL, 0, imm32(reader)));
  }
  if (token?.kind === "word" && token.text === "kfunc" && reader.peek(1)?.kind === "word") {
    reader.take();
    const name = reader.take();
    const at = name.text.indexOf("@");
    const btfId = at < 0 ? null : Number(name.text.slice(at + 1));
    return {
      slots: [insn(CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, btfId ?? 0)],
      reference: { kind: "kfunc", name: at < 0 ? name.text : name.text.slice(0, at), btfId, ...place(name) },
    };
  }
  if (token?.kind === "word") {
    reader.take();
    if (reader.accept("#")) return plain(insn(CALL, 0, 0, 0, imm32(reader)));
    return { slots: [insn(CALL)], reference: { kind: "call", name: token.text, ...place(token) } };
  }
  return plain(insn(CALL, 0, 0, 0, imm32(reader)));
}

function assignment(reader: TokenReader): Statement {
  const target = register(reader);
  const operator = reader.take();
  if (operator.text === "=") return move(reader, target);
  const signedDivision = operator.text === "s/=" || operator.text === "s%=";
  const code = ALU_OPERATORS.indexOf(signedDivision ? operator.text.slice(1) : operator.text);
  if (code < 0 || operator.kind !== "sign") reader.failAt(operator, `'${operator.text}' is no operation`);
  const opcode = (target.wide ? BPF_ALU64 : BPF_ALU) | (code << 4);
  const off = signedDivision ? 1 : 0;
  if (isRegister(reader.peek())) {
    return plain(insn(opcode | BPF_X, target.number, registerOfWidth(reader, target.wide).number, off));
  }
  return plain(insn(opcode, target.number, 0, off, imm32(reader)));
}

/** What follows `r1 =`. */
function move(reader: TokenReader, target: Register): Statement {
  const next = reader.peek();
  if (!next) reader.fail("expected a value");
  const alu = target.wide ? BPF_ALU64 : BPF_ALU;
  if (isRegister(next)) {
    return plain(insn(alu | BPF_MOV | BPF_X, target.number, registerOfWidth(reader, target.wide).number));
  }
  if (next.text === "-" && isRegister(reader.peek(1))) {
    reader.take();
    const source = registerOfWidth(reader, target.wide);
    if (source.number !== target.number)
      reader.failAt(source.token, `a register is negated in place: ${target.token.text}`);
    return plain(insn(alu | BPF_NEG, target.number));
  }
  if (next.kind === "number" || next.text === "-" || next.text === "+") return constant(reader, target);
  if (next.text === "*") return load(reader, target);
  if (next.text === "(") return signExtension(reader, target);
  if (next.kind === "word") return moveByName(reader, target, next);
  reader.fail("expected a value");
}

function constant(reader: TokenReader, target: Register): Statement {
  const mark = reader.number();
  if (reader.accept("ll")) {
    if (!target.wide) reader.failAt(target.token, "a 64-bit constant needs a 64-bit register");
    if (mark.value < -(1n << 63n) || mark.value >= 1n << 64n) reader.failAt(mark.token, "does not fit into 64 bits");
    const low = Number(BigInt.asIntN(32, mark.value));
    const high = Number(BigInt.asIntN(32, mark.value >> 32n));
    return plain(insn(LD_IMM64, target.number, 0, 0, low), insn(0, 0, 0, 0, high));
  }
  if (mark.value < -0x8000_0000n || mark.value > 0xffff_ffffn) {
    reader.failAt(mark.token, "does not fit into 32 bits; write 'll' behind it for a 64-bit load");
  }
  const opcode = (target.wide ? BPF_ALU64 : BPF_ALU) | BPF_MOV;
  return plain(insn(opcode, target.number, 0, 0, Number(BigInt.asIntN(32, mark.value))));
}

function load(reader: TokenReader, target: Register): Statement {
  reader.take();
  const type = pointerType(reader);
  if (reader.is("skb")) return legacyLoad(reader, target, type.size);
  const { base, off } = address(reader);
  if (!target.wide && (type.size === BPF_DW || type.signed)) {
    reader.failAt(target.token, "this load fills a 64-bit register");
  }
  return plain(insn(BPF_LDX | (type.signed ? BPF_MEMSX : BPF_MEM) | type.size, target.number, base, off));
}

function legacyLoad(reader: TokenReader, target: Register, size: number): Statement {
  if (target.number !== 0) reader.failAt(target.token, "a load through skb[] fills r0");
  reader.take();
  reader.expect("[");
  const statement = isRegister(reader.peek())
    ? insn(BPF_LD | BPF_IND | size, 0, wideRegister(reader), 0, reader.is("]") ? 0 : imm32(reader))
    : insn(BPF_LD | BPF_ABS | size, 0, 0, 0, imm32(reader));
  reader.expect("]");
  return plain(statement);
}

function signExtension(reader: TokenReader, target: Register): Statement {
  reader.take();
  const type = reader.word("s8, s16 or s32");
  const bits = { s8: 8, s16: 16, s32: 32 }[type.text];
  if (bits === undefined || (bits === 32 && !target.wide))
    reader.failAt(type, `cannot extend ${type.text} to ${target.token.text}`);
  reader.expect(")");
  const source = registerOfWidth(reader, target.wide);
  const alu = target.wide ? BPF_ALU64 : BPF_ALU;
  return plain(insn(alu | BPF_MOV | BPF_X, target.number, source.number, bits));
}

function moveByName(reader: TokenReader, target: Register, name: Token): Statement {
  const swap = /^(le|be|bswap)(16|32|64)$/.exec(name.text);
  if (swap && isRegister(reader.peek(1))) {
    reader.take();
    const source = register(reader);
    if (source.number !== target.number)
      reader.failAt(source.token, `bytes are swapped in place: ${target.token.text}`);
    const opcode = swap[1] === "bswap" ? BPF_ALU64 | BPF_END : BPF_ALU | BPF_END | (swap[1] === "be" ? BPF_X : 0);
    return plain(insn(opcode, target.number, 0, 0, Number(swap[2])));
  }
  if (reader.is("(", 1)) return builtIn(reader, target, name);
  if (reader.is("[", 1)) return bracketAddress(reader, target, name);
  reader.take();
  let addend = 0;
  if (reader.is("+") || reader.is("-")) addend = imm32(reader);
  if (!reader.accept("ll")) reader.fail(`expected 'll' behind the symbol ${name.text}`);
  return addressOf(reader, target, { kind: "address", what: "symbol", name: name.text, addend, ...place(name) });
}

function addressOf(reader: TokenReader, target: Register, reference: Reference): Statement {
  if (!target.wide) reader.failAt(target.token, "an address needs a 64-bit register");
  return { slots: [insn(LD_IMM64, target.number), insn(0)], reference };
}

/** `map[m] ll`, `map_value[m]+8 ll`, `func[cb] ll`, `btf_id[7] ll`. */
function bracketAddress(reader: TokenReader, target: Register, kind: Token): Statement {
  reader.take();
  const what = kind.text;
  if (what !== "map" && what !== "map_value" && what !== "func" && what !== "btf_id") {
    reader.failAt(kind, `'${what}[…]' is no address: map[…], map_value[…]+N, func[…], btf_id[…]`);
  }
  reader.expect("[");
  const name = reader.take();
  reader.expect("]");
  const addend = reader.is("+") || reader.is("-") ? imm32(reader) : 0;
  reader.expect("ll");
  return addressOf(reader, target, { kind: "address", what, name: name.text, addend, ...place(name) });
}

/** Atomics that yield a value, acquiring loads and address space casts: written like calls. */
function builtIn(reader: TokenReader, target: Register, name: Token): Statement {
  reader.take();
  reader.expect("(");
  const fetch = /^atomic(?:64)?_fetch_(add|or|and|xor)$/.exec(name.text);
  if (fetch) {
    const operation = (FETCH_OPERATIONS[fetch[1] as string] as number) | BPF_FETCH;
    return exchange(reader, target, pointerMemory(reader), operation);
  }
  if (/^atomic(?:64)?_xchg$/.test(name.text)) return exchange(reader, target, pointerMemory(reader), BPF_XCHG);
  if (/^atomic(?:64)?_cmpxchg$/.test(name.text)) return compareExchange(reader, target, pointerMemory(reader));
  const llvm = /^(cmp)?xchg(?:_64|32_32)$/.exec(name.text);
  if (llvm) {
    const base = wideRegister(reader);
    const off = reader.is(",") ? 0 : signedOffset(reader);
    const memory = { base, off, opcode: BPF_STX | BPF_ATOMIC | (name.text.endsWith("_64") ? BPF_DW : BPF_W) };
    return llvm[1] ? compareExchange(reader, target, memory) : exchange(reader, target, memory, BPF_XCHG);
  }
  if (name.text === "load_acquire") {
    const type = pointerType(reader);
    const { base, off } = address(reader);
    reader.expect(")");
    return plain(insn(BPF_STX | BPF_ATOMIC | type.size, target.number, base, off, BPF_LOAD_ACQ));
  }
  if (name.text === "addr_space_cast") {
    const source = wideRegister(reader);
    reader.expect(",");
    const to = imm32(reader);
    reader.expect(",");
    const from = imm32(reader);
    reader.expect(")");
    return plain(insn(BPF_ALU64 | BPF_MOV | BPF_X, target.number, source, 1, (to << 16) | (from & 0xffff)));
  }
  reader.failAt(name, `there is no operation '${name.text}'`);
}

interface AtomicMemory {
  readonly base: number;
  readonly off: number;
  readonly opcode: number;
}

/** `(u64 *)(r1 + 8)` */
function pointerMemory(reader: TokenReader): AtomicMemory {
  const type = pointerType(reader);
  const opcode = BPF_STX | BPF_ATOMIC | type.size;
  return { ...address(reader), opcode };
}

function exchange(reader: TokenReader, target: Register, memory: AtomicMemory, operation: number): Statement {
  reader.expect(",");
  const value = register(reader);
  if (value.number !== target.number) reader.failAt(value.token, "the old value comes back in the same register");
  reader.expect(")");
  return plain(insn(memory.opcode, memory.base, value.number, memory.off, operation));
}

function compareExchange(reader: TokenReader, target: Register, memory: AtomicMemory): Statement {
  if (target.number !== 0) reader.failAt(target.token, "cmpxchg compares with r0 and leaves the old value there");
  reader.expect(",");
  const expected = register(reader);
  if (expected.number !== 0) reader.failAt(expected.token, "cmpxchg compares with r0");
  reader.expect(",");
  const value = register(reader);
  reader.expect(")");
  return plain(insn(memory.opcode, memory.base, value.number, memory.off, BPF_CMPXCHG));
}
