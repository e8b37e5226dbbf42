import { expect, it } from "vitest";
import type { CallsHalf } from "../calls-contract.ts";
import * as calls from "./index.ts";

it("exports one function of each name that the walk asks for", () => {
  const half: CallsHalf = calls;
  for (const member of Object.values(half)) expect(typeof member).toBe("function");
});
