import { expect, type Page, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

const dots = (page: Page) => page.locator("[data-panel=editor] .line-numbers.stop-at");
const stopped = (page: Page) => page.getByRole("status").filter({ hasText: /Stopped at line \d+ of timer_cb, CPU \d/ });

/** Puts the cursor into the callback's first line that does something. */
async function intoCallback(visitor: Visitor): Promise<void> {
  await visitor.focusEditor();
  await visitor.source().locator(".view-line", { hasText: "->stuff" }).first().click();
}

test("stops in a timer's callback by F9, shows registers, and runs on", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await intoCallback(visitor);
  await page.keyboard.press("F9");
  await expect(dots(page)).toHaveCount(1);
  const line = await dots(page).textContent();
  await expect(stopped(page)).toContainText(`Stopped at line ${line?.trim()} of timer_cb`);
  await expect(page.getByRole("button", { name: "Run", exact: true }).first()).toBeVisible();

  await page.getByRole("tab", { name: "Time" }).click();
  const registers = page.getByRole("region", { name: /^Registers of CPU/ });
  await expect(registers).toContainText("timer_cb");
  await expect(registers).toContainText("r10");
  await expect(stopped(page)).toBeVisible();

  // On to the next expiry, where it stops again.
  const before = await visitor.now();
  await page.getByRole("button", { name: "Run", exact: true }).first().click();
  await expect.poll(() => visitor.now()).toBeGreaterThan(before);
  await expect(stopped(page)).toBeVisible();

  // Without the breakpoint it runs on.
  await page.getByRole("tab", { name: "Write" }).click();
  await intoCallback(visitor);
  await page.keyboard.press("F9");
  await expect(dots(page)).toHaveCount(0);
  await page.getByRole("button", { name: "Run", exact: true }).first().click();
  await expect(stopped(page)).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Pause" }).first()).toBeVisible();
  expect(visitor.faults).toEqual([]);
});

test("a breakpoint goes with its line, and one without code is refused in words", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.focusEditor();
  await visitor.source().locator(".view-line", { hasText: "#include" }).first().click();
  await page.keyboard.press("F9");
  await expect(page.getByText(/^Line \d+ has no code, so nothing can stop there\.$/)).toBeVisible();
  await expect(dots(page)).toHaveCount(0);
  await intoCallback(visitor);
  await page.keyboard.press("F9");
  const line = Number(await dots(page).textContent());
  await visitor.typeBehind("#include", "\n// one line more");
  await expect(dots(page)).toHaveText(String(line + 1));
});

test("stops when a watched map value changes", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  const row = visitor.map("hmap").getByRole("row").nth(1);
  await row.hover();
  const eye = row.getByRole("button", { name: "Stop when hmap[0] changes" });
  await eye.click();
  await expect(eye).toHaveAttribute("aria-pressed", "true");
  await expect(
    page.getByRole("status").filter({ hasText: /hmap\[0\].*Stopped at line \d+ of timer_cb/ }),
  ).toBeVisible();
});
