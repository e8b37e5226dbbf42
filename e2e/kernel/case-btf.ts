import type { Btf, BtfMember, BtfType } from "../../src/engine/btf/types.ts";

/** Collects types; equal names of plain types are one type. */
export class TypeTable {
  readonly types: BtfType[] = [{ kind: "void" }];
  private readonly named = new Map<string, number>();

  get btf(): Btf {
    return { types: this.types };
  }

  add(type: BtfType): number {
    return this.types.push(type) - 1;
  }

  once(key: string, make: () => BtfType): number {
    let id = this.named.get(key);
    if (id === undefined) {
      id = this.add(make());
      this.named.set(key, id);
    }
    return id;
  }

  int(name: string, size: number, signed = false): number {
    return this.once(name, () => ({
      kind: "int",
      name,
      size,
      bits: size * 8,
      bitOffset: 0,
      encoding: signed ? "signed" : "unsigned",
    }));
  }

  array(type: number, count: number): number {
    return this.add({ kind: "array", type, indexType: this.int("u32", 4), count });
  }
}

const SCALARS: Record<string, [number, boolean]> = {
  u8: [1, false],
  u16: [2, false],
  u32: [4, false],
  u64: [8, false],
  int: [4, true],
  s32: [4, true],
  s64: [8, true],
  long: [8, true],
};
const OBJECTS: Record<string, { name: string; size: number }> = {
  bpf_timer: { name: "bpf_timer", size: 16 },
  bpf_timer8: { name: "bpf_timer", size: 8 },
  bpf_timer24: { name: "bpf_timer", size: 24 },
  bpf_spin_lock: { name: "bpf_spin_lock", size: 4 },
  bpf_wq: { name: "bpf_wq", size: 16 },
  bpf_task_work: { name: "bpf_task_work", size: 8 },
};

function objectType(table: TypeTable, word: string): number | null {
  const scalar = SCALARS[word];
  if (scalar) return table.int(word, scalar[0], scalar[1]);
  const object = OBJECTS[word];
  if (object === undefined) return null;
  return table.once(word, () => ({ kind: "struct", name: object.name, size: object.size, members: [] }));
}

/** Parses the description of a value type, `struct elem 24 {bpf_timer t @0; u64 x @16}`, or a plain type name. */
export function parseValueType(table: TypeTable, text: string): number {
  let at = 0;
  const skip = (): void => {
    while (text[at] === " ") at++;
  };
  const word = (): string => {
    skip();
    const m = /^[\w.]+/.exec(text.slice(at));
    if (!m) throw new Error(`type expected at ${text.slice(at)} of ${text}`);
    at += m[0].length;
    return m[0];
  };
  const type = (): number => {
    const first = word();
    let id: number;
    if (first === "struct" || first === "DATASEC") {
      const name = word();
      skip();
      const size = first === "struct" ? Number(word()) : 24;
      skip();
      if (text[at++] !== "{") throw new Error(`{ expected in ${text}`);
      const members: BtfMember[] = [];
      for (;;) {
        skip();
        if (text[at] === "}") {
          at++;
          break;
        }
        let memberName = "";
        let member: number;
        if (first === "DATASEC") {
          word();
          memberName = word();
          member = type();
        } else {
          member = type();
          memberName = word();
        }
        skip();
        if (text[at++] !== "@") throw new Error(`@ expected in ${text}`);
        members.push({ name: memberName, type: member, bitOffset: Number(word()) * 8, bitSize: 0 });
        skip();
        if (text[at] === ";") at++;
      }
      id =
        first === "struct"
          ? table.add({ kind: "struct", name, size, members })
          : table.add({
              kind: "datasec",
              name,
              size,
              vars: members.map((m) => ({
                type: table.add({ kind: "var", name: m.name, type: m.type, linkage: "global" }),
                offset: m.bitOffset / 8,
                size: 16,
              })),
            });
    } else if (first === "my_timer") {
      id = table.add({ kind: "typedef", name: first, type: objectType(table, "bpf_timer")! });
    } else if (first === "bpf_timer_union") {
      id = table.add({ kind: "union", name: "bpf_timer", size: 16, members: [] });
    } else {
      const known = objectType(table, first);
      if (known === null) throw new Error(`type ${first} of ${text}`);
      id = known;
    }
    const m = /^\[(\d+)\]/.exec(text.slice(at));
    if (m) {
      at += m[0].length;
      id = table.array(id, Number(m[1]));
    }
    return id;
  };
  return type();
}

/** C structures that signatures of the cases name, with sizes as their loader gave them. */
function structType(table: TypeTable, name: string, count: number | null): number {
  if (count !== null)
    return table.once(`struct ${name}[${count}]`, () => ({
      kind: "struct",
      name,
      size: count,
      members: [{ name: "a", type: table.array(table.int("u8", 1), count), bitOffset: 0, bitSize: 0 }],
    }));
  const words = name === "S16" ? 2 : 1;
  const u64 = table.int("u64", 8);
  return table.once(`struct ${name}`, () => ({
    kind: "struct",
    name,
    size: words * 8,
    members: Array.from({ length: words }, (_, i) => ({
      name: "ab"[i]!,
      type: u64,
      bitOffset: i * 64,
      bitSize: 0,
    })),
  }));
}

/** Context structure that `ctx *c` stands for. */
const CONTEXTS: Record<string, string> = {
  socket_filter: "__sk_buff",
  sched_cls: "__sk_buff",
  xdp: "xdp_md",
};

/** Adds FUNC and FUNC_PROTO of a header's signature, `int a, struct s[8] *p @nonnull`. Returns the FUNC. */
export function addFunction(
  table: TypeTable,
  name: string,
  linkage: "static" | "global",
  params: string,
  returnsVoid: boolean,
  progType: string,
): number {
  const tags: { index: number; text: string }[] = [];
  const list = params
    .split(",")
    .map((p) => p.trim())
    .filter((p) => p !== "")
    .map((text, index) => {
      const tagged = /^(.*?)\s*@(\w+)$/.exec(text);
      const body = tagged ? tagged[1]! : text;
      if (tagged) tags.push({ index, text: `arg:${tagged[2]}` });
      const m = /^(struct\s+)?(\w+)(?:\[(\d+)\])?\s*(\**)\s*(\w+)$/.exec(body);
      if (!m) throw new Error(`parameter ${text}`);
      let type: number;
      if (m[1]) type = structType(table, m[2]!, m[3] === undefined ? null : Number(m[3]));
      else if (m[2] === "void") type = 0;
      else if (m[2] === "ctx") type = structType(table, CONTEXTS[progType] ?? "ctx", null);
      else {
        const known = objectType(table, m[2]!);
        if (known === null) throw new Error(`type ${m[2]}`);
        type = known;
      }
      for (const _ of m[4]!) type = table.add({ kind: "ptr", type });
      return { name: m[5]!, type };
    });
  const proto = table.add({
    kind: "func_proto",
    returnType: returnsVoid ? 0 : table.int("int", 4, true),
    params: list,
  });
  const func = table.add({ kind: "func", name, type: proto, linkage });
  for (const tag of tags) table.add({ kind: "decl_tag", name: tag.text, type: func, componentIndex: tag.index });
  return func;
}
