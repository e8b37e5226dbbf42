import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

for (const scheme of ["light", "dark"] as const) {
  for (const view of ["Write", "Verify", "Time"] as const) {
    test(`finds no serious barrier in the ${view} view, ${scheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme });
      const visitor = new Visitor(page);
      await visitor.open();
      await visitor.reaches(124);
      await visitor.pause();
      await page.getByRole("tab", { name: view, exact: true }).click();
      await page.waitForTimeout(300);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
      expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
    });
  }
}

test("goes through the page by keyboard alone", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(123);
  const reached = new Set<string>();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    // The editor keeps Tab for itself; Ctrl+M gives it back, as Monaco's help says.
    const where = await page.evaluate(() => {
      const element = document.activeElement;
      const panel = element?.closest("[data-panel]")?.getAttribute("data-panel");
      return {
        panel: panel ?? element?.closest("header, footer")?.tagName ?? "",
        editor: element?.closest(".monaco-editor") !== null,
      };
    });
    if (where.panel !== "") reached.add(where.panel);
    if (where.editor) await page.keyboard.press("Control+M");
  }
  for (const panel of ["HEADER", "editor", "graph", "maps", "activity", "axis", "FOOTER"])
    expect(reached).toContain(panel);
});

test("chooses from a menu with the keys alone", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  const button = page.getByRole("button", { name: /^Demo/ });
  const menu = page.getByRole("listbox", { name: /^Demo/ });
  await button.focus();
  await page.keyboard.press("Enter");
  await expect(menu).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(menu).toHaveCount(0);
  await expect(button).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(menu).toBeFocused();
  // A space within a name belongs to it. A slow machine must not pause between two letters.
  await menu.evaluate((list) => {
    for (const key of "the ci")
      list.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  });
  await page.keyboard.press("Enter");
  await expect(menu).toHaveCount(0);
  await expect(button).toContainText("The circle");
});

test("leaves every dialog with Escape, back where it came from", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  for (const name of ["Share", "Settings", "Help and keys"]) {
    const button = page.getByRole("button", { name, exact: true });
    await button.focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("dialog")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(button).toBeFocused();
  }
});

test("runs and pauses with the keys that the help names", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await page.getByRole("button", { name: "Help and keys" }).click();
  await expect(page.getByRole("dialog")).toContainText("F10");
  await page.keyboard.press("Escape");
  await visitor.pause();
  const before = await visitor.now();
  await page.keyboard.press("Shift+F10");
  await page.keyboard.press("[");
  await expect.poll(() => visitor.now()).toBeLessThan(before);
});

test("works on a phone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("./");
  await expect(page.getByText("bpf_timer_init").first()).toBeVisible();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide).toBeLessThanOrEqual(390);
});
