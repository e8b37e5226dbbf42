import type { IrAsm, IrInstruction } from "../../ir/module.ts";
import { bitsOf } from "./known-bits.ts";
import type { Selector } from "./selector.ts";

/** Inline assembly. An empty template is a barrier to the optimiser, which has run: its outputs are its tied inputs. */
export function selectInlineAsm(s: Selector, insn: IrInstruction & { op: "call" }, asm: IrAsm): void {
  if (asm.template.trim() !== "" || insn.fallthrough !== null) {
    s.fail("inline assembly is not supported here");
    return;
  }
  const constraints = asm.constraints.split(",").filter((c) => !c.startsWith("~"));
  const outputs = constraints.filter((c) => c.startsWith("=") && !c.startsWith("=*"));
  const inputs = constraints.filter((c) => !(c.startsWith("=") && !c.startsWith("=*")));
  const results = outputs.map((_, output) => {
    const input = inputs.indexOf(String(output));
    const arg = input < 0 ? undefined : insn.args[input];
    if (arg === undefined) return s.constant(0n, 64);
    const width = s.alu32 && bitsOf(arg.value.type) <= 32 ? 32 : 64;
    return s.copy(s.reg(arg.value), width);
  });
  s.set(insn, ...results);
}
