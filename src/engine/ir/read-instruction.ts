import { type LocalIndex, readValue, startsValue } from "./constants.ts";
import type {
  IrArgument,
  IrAsm,
  IrBinaryOp,
  IrCastOp,
  IrInstruction,
  IrOrdering,
  IrPredicate,
  IrValue,
} from "./module.ts";
import { markParameter } from "./read-function.ts";
import type { IrReader } from "./reader.ts";
import { decodeText } from "./scanner.ts";
import { elementType, type IrType, intType, PTR, VOID } from "./types.ts";

const BINARY: ReadonlySet<string> = new Set([
  "add",
  "sub",
  "mul",
  "udiv",
  "sdiv",
  "urem",
  "srem",
  "shl",
  "lshr",
  "ashr",
  "and",
  "or",
  "xor",
]);
const CASTS: ReadonlySet<string> = new Set(["trunc", "zext", "sext", "bitcast", "ptrtoint", "ptrtoaddr", "inttoptr"]);
const PREDICATES: ReadonlySet<string> = new Set(["eq", "ne", "ugt", "uge", "ult", "ule", "sgt", "sge", "slt", "sle"]);
const ORDERINGS: ReadonlySet<string> = new Set(["unordered", "monotonic", "acquire", "release", "acq_rel", "seq_cst"]);

type ArgumentMarks = { -readonly [K in keyof Omit<IrArgument, "value">]: IrArgument[K] };

const NO_MARKS: Omit<IrArgument, "value"> = {
  byval: false,
  sret: false,
  extension: null,
  align: 0,
  elementType: null,
};

/** What is common to all instructions before the rest is known. */
interface Head {
  readonly result: number;
  type: IrType;
  dbg: number;
}

/** Reads the instructions of one function, one at a time, cursor at the first character of each. */
export class InstructionReader {
  readonly #r: IrReader;
  readonly #local: LocalIndex;
  readonly #block: (name: string) => number;
  readonly #noreturn: ReadonlySet<string>;

  constructor(reader: IrReader, local: LocalIndex, block: (name: string) => number, noreturn: ReadonlySet<string>) {
    this.#r = reader;
    this.#local = local;
    this.#block = block;
    this.#noreturn = noreturn;
  }

  /** Ends on the instruction's last line. */
  read(): IrInstruction {
    const r = this.#r;
    const start = r.at;
    let result = -1;
    if (r.accept("%")) {
      result = this.#local(r.name());
      r.expect("=");
    }
    const head: Head = { result, type: VOID, dbg: -1 };
    let word = r.word();
    if (word === "tail" || word === "musttail" || word === "notail") word = r.word();
    const body = this.#body(word, head, start);
    // What follows is attachments, of which only the place matters.
    const lineEnd = r.lineEnd();
    const at = r.text.indexOf("!dbg !", r.at);
    if (at >= 0 && at < lineEnd) {
      r.at = at + 6;
      head.dbg = r.integer();
    }
    return { ...body, ...head } as IrInstruction;
  }

  #body(word: string, head: Head, start: number): object {
    const r = this.#r;
    if (BINARY.has(word)) return this.#binary(word as IrBinaryOp, head, start);
    if (CASTS.has(word)) return this.#cast(word === "ptrtoaddr" ? "ptrtoint" : (word as IrCastOp), head);
    switch (word) {
      case "icmp": {
        let predicate = r.word();
        while (!PREDICATES.has(predicate) && predicate !== "" && r.failure === null) predicate = r.word();
        const type = r.type();
        if (type.kind === "unsupported") return this.#unsupported(start, head);
        const a = this.#value(type);
        r.expect(",");
        head.type = intType(1);
        return { op: "icmp", predicate: predicate as IrPredicate, a, b: this.#value(type) };
      }
      case "select": {
        this.#flags();
        const condition = this.#typed();
        r.expect(",");
        const a = this.#typed();
        r.expect(",");
        const b = this.#typed();
        head.type = a.type;
        if (condition.type.kind !== "int") return this.#unsupported(start, head);
        return { op: "select", condition, a, b };
      }
      case "phi": {
        this.#flags();
        head.type = r.type();
        const incoming: { value: IrValue; block: number }[] = [];
        do {
          r.expect("[");
          const value = this.#value(head.type);
          r.expect(",");
          incoming.push({ value, block: this.#label(false) });
          r.expect("]");
        } while (r.failure === null && this.#more());
        return { op: "phi", incoming };
      }
      case "freeze": {
        const value = this.#typed();
        head.type = value.type;
        return { op: "freeze", value };
      }
      case "alloca":
        return this.#alloca(head);
      case "load":
        return this.#load(head);
      case "store":
        return this.#store();
      case "getelementptr": {
        this.#flags("inrange");
        const source = r.type();
        r.expect(",");
        const base = this.#typed();
        const indices: IrValue[] = [];
        while (r.failure === null && this.#more()) indices.push(this.#typed());
        head.type = PTR;
        if (base.type.kind !== "ptr") return this.#unsupported(start, head);
        return { op: "gep", source, base, indices };
      }
      case "extractvalue": {
        const value = this.#typed();
        const path = this.#path();
        head.type = this.#elementAt(value.type, path);
        return { op: "extractvalue", value, path };
      }
      case "insertvalue": {
        const value = this.#typed();
        r.expect(",");
        const element = this.#typed();
        head.type = value.type;
        return { op: "insertvalue", value, element, path: this.#path() };
      }
      case "atomicrmw": {
        r.acceptWord("volatile");
        const operator = r.word();
        const address = this.#typed();
        r.expect(",");
        const value = this.#typed();
        head.type = value.type;
        return { op: "atomicrmw", operator, address, value, ordering: this.#ordering() ?? "seq_cst" };
      }
      case "cmpxchg": {
        r.acceptWord("weak");
        r.acceptWord("volatile");
        const address = this.#typed();
        r.expect(",");
        const expected = this.#typed();
        r.expect(",");
        const desired = this.#typed();
        head.type = { kind: "struct", packed: false, fields: [expected.type, intType(1)] };
        return { op: "cmpxchg", address, expected, desired };
      }
      case "fence": {
        const before = r.at;
        const ordering = this.#ordering() ?? "seq_cst";
        const singleThread = r.text.slice(before, r.at).includes('"singlethread"');
        return { op: "fence", ordering, singleThread };
      }
      case "call":
      case "callbr":
        return this.#call(head, word === "callbr");
      case "ret": {
        const type = r.type();
        return { op: "ret", value: type.kind === "void" ? null : this.#value(type) };
      }
      case "br": {
        if (r.acceptWord("label")) return { op: "br", target: this.#label(false) };
        const condition = this.#typed();
        r.expect(",");
        const taken = this.#label(true);
        r.expect(",");
        return { op: "condbr", condition, taken, otherwise: this.#label(true), weights: -1 };
      }
      case "switch":
        return this.#switch();
      case "unreachable":
        return { op: "unreachable" };
      default:
        return this.#unsupported(start, head);
    }
  }

  #unsupported(start: number, head: Head): object {
    const r = this.#r;
    r.at = start;
    const line = r.text.slice(start, Math.min(r.lineEnd(), start + 120));
    const opcode = /^(?:%\S+ = )?(?:tail )?([a-z_]+)/.exec(line)?.[1] ?? line;
    if (head.result >= 0 && head.type.kind === "void") head.type = { kind: "unsupported", text: opcode };
    return { op: "unsupported", text: opcode };
  }

  #value(type: IrType): IrValue {
    return readValue(this.#r, type, this.#local);
  }

  #typed(): IrValue {
    const type = this.#r.type();
    return this.#value(type);
  }

  /** Skips flag words (`nuw`, `inbounds`, `fast`) up to a type. */
  #flags(...withGroup: string[]): void {
    const r = this.#r;
    while (r.failure === null && !r.atLineEnd() && !r.atType()) {
      const word = r.word();
      if (word === "") return;
      if (withGroup.includes(word)) r.skipGroup();
    }
  }

  /** Takes a comma unless an attachment follows it. */
  #more(): boolean {
    const r = this.#r;
    if (r.peek() !== ",") return false;
    const at = r.at;
    r.at++;
    const next = r.peek();
    if (next !== "!") return true;
    r.at = at;
    return false;
  }

  #label(withWord: boolean): number {
    const r = this.#r;
    if (withWord && !r.acceptWord("label")) r.fail("expected 'label'");
    r.expect("%");
    return this.#block(r.name());
  }

  #binary(operator: IrBinaryOp, head: Head, start: number): object {
    const r = this.#r;
    const flags = { exact: false, nuw: false, nsw: false, disjoint: false };
    while (r.failure === null && !r.atType()) {
      const word = r.word();
      if (word === "") break;
      if (word in flags) flags[word as keyof typeof flags] = true;
    }
    head.type = r.type();
    if (head.type.kind !== "int") return this.#unsupported(start, head);
    const a = this.#value(head.type);
    r.expect(",");
    return { op: "binary", operator, a, b: this.#value(head.type), ...flags };
  }

  #cast(cast: IrCastOp, head: Head): object {
    const r = this.#r;
    let nneg = false;
    while (r.failure === null && !r.atType()) {
      const word = r.word();
      if (word === "") break;
      if (word === "nneg") nneg = true;
    }
    const value = this.#typed();
    if (!r.acceptWord("to")) r.fail("expected 'to'");
    head.type = r.type();
    return { op: "cast", cast, value, nneg };
  }

  #alloca(head: Head): object {
    const r = this.#r;
    r.acceptWord("inalloca");
    const allocated = r.type();
    let count: IrValue | null = null;
    let align = 0;
    while (r.failure === null && this.#more()) {
      if (r.acceptWord("align")) align = r.integer();
      else if (r.acceptWord("addrspace")) r.skipGroup();
      else count = this.#typed();
    }
    head.type = PTR;
    return { op: "alloca", allocated, count, align };
  }

  #memoryTail(): { align: number; ordering: IrOrdering | null } {
    const r = this.#r;
    let ordering: IrOrdering | null = null;
    if (r.peek() !== ",") ordering = this.#ordering();
    let align = 0;
    while (r.failure === null && this.#more()) if (r.acceptWord("align")) align = r.integer();
    return { align, ordering };
  }

  #ordering(): IrOrdering | null {
    const r = this.#r;
    for (;;) {
      if (r.acceptWord("syncscope")) {
        r.skipGroup();
        continue;
      }
      const word = r.peekWord();
      if (!ORDERINGS.has(word)) return null;
      r.word();
      return word as IrOrdering;
    }
  }

  #load(head: Head): object {
    const r = this.#r;
    r.acceptWord("atomic");
    const isVolatile = r.acceptWord("volatile");
    head.type = r.type();
    r.expect(",");
    const address = this.#typed();
    return { op: "load", address, volatile: isVolatile, ...this.#memoryTail() };
  }

  #store(): object {
    const r = this.#r;
    r.acceptWord("atomic");
    const isVolatile = r.acceptWord("volatile");
    const value = this.#typed();
    r.expect(",");
    const address = this.#typed();
    return { op: "store", value, address, volatile: isVolatile, ...this.#memoryTail() };
  }

  #path(): number[] {
    const path: number[] = [];
    while (this.#r.failure === null && this.#more()) path.push(this.#r.integer());
    return path;
  }

  #elementAt(type: IrType, path: readonly number[]): IrType {
    let at: IrType | undefined = type;
    for (const index of path) at = at === undefined ? undefined : elementType(at, index);
    if (at === undefined) this.#r.fail("an index leads to no element");
    return at ?? VOID;
  }

  #switch(): object {
    const r = this.#r;
    const value = this.#typed();
    r.expect(",");
    const otherwise = this.#label(true);
    r.expect("[");
    const cases: { value: bigint; block: number }[] = [];
    r.space();
    while (r.failure === null && !r.accept("]")) {
      const constant = this.#typed();
      r.expect(",");
      const block = this.#label(true);
      if (constant.kind === "int") cases.push({ value: constant.value, block });
      else r.fail("a case that is no number");
      r.space();
    }
    return { op: "switch", value, otherwise, cases };
  }

  #call(head: Head, branching: boolean): object {
    const r = this.#r;
    r.skipToType();
    head.type = r.type();
    if (r.peek() === "(") r.skipGroup(); // function type: only its result matters
    let callee: IrValue | IrAsm;
    if (r.acceptWord("asm")) {
      while (r.failure === null && r.peek() !== '"') if (r.word() === "") r.fail("expected a template");
      const template = decodeText(r.quotedRaw());
      r.expect(",");
      r.blanks();
      callee = { template, constraints: decodeText(r.quotedRaw()) };
    } else {
      callee = this.#value(PTR);
    }
    const args = this.#arguments();
    let noreturn = false;
    while (r.failure === null && !r.atLineEnd() && r.peek() !== "," && r.peek() !== "[") {
      if (branching && r.peekWord() === "to") break;
      if (r.accept("#")) noreturn = this.#noreturn.has(r.word()) || noreturn;
      else
        r.attribute((name) => {
          if (name === "noreturn") noreturn = true;
        });
    }
    if (r.peek() === "[" && !branching) r.skipGroup(); // operand bundles
    let fallthrough: number | null = null;
    const indirect: number[] = [];
    if (branching) {
      r.space();
      if (!r.acceptWord("to")) r.fail("expected 'to'");
      fallthrough = this.#label(true);
      r.space();
      r.expect("[");
      while (r.failure === null && !r.accept("]")) {
        indirect.push(this.#label(true));
        r.accept(",");
      }
    }
    return { op: "call", callee, args, variadic: false, fallthrough, indirect, noreturn };
  }

  #arguments(): IrArgument[] {
    const r = this.#r;
    const args: IrArgument[] = [];
    r.expect("(");
    while (r.failure === null && !r.accept(")")) {
      const type = r.type();
      if (type.kind === "unsupported" && type.text === "metadata") {
        const start = r.at;
        while (r.failure === null && r.peek() !== "," && r.peek() !== ")") {
          if (r.peek() === "(" || r.peek() === "{") r.skipGroup();
          else if (r.peek() === '"') r.quotedRaw();
          else r.at++;
        }
        const value: IrValue = { kind: "unsupported", type, text: r.text.slice(start, r.at) };
        args.push({ value, ...NO_MARKS });
      } else {
        const marks: ArgumentMarks = { ...NO_MARKS };
        while (r.failure === null && !startsValue(r)) {
          r.attribute((word, value, element) => {
            markParameter(marks, word);
            if (word === "align") marks.align = value;
            if (element !== null) marks.elementType = element;
          });
        }
        args.push({ value: this.#value(type), ...marks });
      }
      if (!r.accept(",") && r.peek() !== ")") r.fail("expected ',' between arguments");
    }
    return args;
  }
}
