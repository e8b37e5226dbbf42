import { expect, it } from "vitest";
import { World } from "./testing/world.ts";

it("a moment before a grace period can be gone on from more than once", () => {
  const world = new World({ policy: "rfc" });
  world.createMap({ name: "m", type: "array", value: 8 });
  world.load(["main prog:", "r1 = map[m] ll", "r0 = 0", "exit"]);
  world.close("m");
  world.close("prog");
  const before = world.kernel.checkpoint();
  for (let i = 0; i < 3; i++) {
    world.kernel.restore(before);
    world.settle();
    expect(world.kernel.state.programs.get(1)?.state).toBe("freed");
    expect(world.kernel.state.maps.get(1)?.freed).toBe(true);
  }
});
