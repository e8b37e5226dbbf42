import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test.use({ viewport: { width: 390, height: 844 } });

const panels = (visitor: Visitor) => visitor.page.getByRole("navigation", { name: "Panels" });

test("goes through every panel on a phone", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  for (const view of ["Write", "Verify", "Time", "Race"]) {
    await page.getByRole("tab", { name: view, exact: true }).click();
    const names = await panels(visitor).getByRole("button").allInnerTexts();
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      await panels(visitor).getByRole("button", { name, exact: true }).click();
      await expect(page.locator("main")).not.toBeEmpty();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide, `${view}, ${name}`).toBeLessThanOrEqual(390);
    }
  }
  expect(visitor.faults).toEqual([]);
});

test("sees time run downwards and moves in it", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("tab", { name: "Time", exact: true }).click();
  const axis = page.getByRole("listbox", { name: "Time, downwards" });
  await expect(axis.getByRole("option", { name: /16\.0 ms: CPU 0: \[0\] (fires|is firing)/ })).toBeVisible({
    timeout: 20_000,
  });
  await page.getByRole("button", { name: "Pause" }).first().click();
  await axis.getByRole("option", { name: /^16\.0 ms/ }).click();
  await expect.poll(() => visitor.now()).toBe(16);
});

test("types in the plain field and sees the verdict", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  const field = page.getByRole("textbox", { name: "C source" });
  await expect(field).toHaveValue(/bpf_timer_init/);
  const text = await field.inputValue();
  await field.fill(text.replace("int key = 0;", "int key = 0; key = *(volatile int *)(long)8;"));
  await expect(page.getByText(/^Rejected/).first()).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("note")).toBeVisible();
});

test("finds no serious barrier on a phone", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  for (const view of ["Write", "Verify", "Time", "Race"]) {
    await page.getByRole("tab", { name: view, exact: true }).click();
    await page.waitForTimeout(300);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
  }
});
