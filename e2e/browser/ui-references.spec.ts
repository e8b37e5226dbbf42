import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("sees the circle that nobody can open, and who keeps it", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo("The circle");
  await expect(page.getByRole("alert").filter({ hasText: "Leak." })).toContainText("keeps itself alive", {
    timeout: 30_000,
  });
  const graph = page.getByRole("group", { name: /^Reference graph/ });
  await expect(graph.locator(".e-leak")).not.toHaveCount(0);
  const program = graph.getByRole("button", { name: /^program, arm/ });
  await expect(program).toHaveAccessibleName(/leaked/);
  await program.click();
  const card = page.getByRole("region", { name: "Why is arm alive?" });
  await expect(card).toContainText("Leaked.");
  await expect(card).toContainText("arm → hmap");
});

test("goes from node to node with the arrow keys", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  const graph = page.getByRole("group", { name: /^Reference graph/ });
  await graph.getByRole("button").first().focus();
  const names = new Set<string>();
  for (let i = 0; i < 6; i++) {
    names.add((await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))) ?? "");
    await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(60);
  }
  expect([...names].map((n) => n.split(",")[0])).toEqual(
    expect.arrayContaining(["process", "program", "map", "timer"]),
  );
});

test("keeps every node in its place while time passes", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(123);
  const places = () =>
    page
      .locator("[data-panel=graph] [data-node]")
      .evaluateAll((nodes) =>
        nodes.map(
          (n) =>
            `${n.getAttribute("data-node")} ${n.querySelector("rect")?.getAttribute("x")} ${n.querySelector("rect")?.getAttribute("y")}`,
        ),
      );
  const before = await places();
  await visitor.reaches(125);
  expect(await places()).toEqual(before);
});

test("reads the graph as a table", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  const panel = page.locator("[data-panel=graph]");
  await panel.getByRole("button", { name: "Show as table" }).click();
  await expect(panel.getByRole("table")).toContainText("hmap");
});
