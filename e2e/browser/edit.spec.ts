import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("edits and sees the verdict change, and change back", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await visitor.typeBehind("int key = 0;", " key = *(volatile int *)(long)8;");
  await expect(visitor.status()).toContainText("Rejected", { timeout: 20_000 });
  await expect(visitor.status()).toContainText("EACCES");
  // The older build runs on meanwhile.
  await expect(visitor.events()).toContainText("timer_cb starts");
  await expect(async () => {
    await page.keyboard.press("ControlOrMeta+Z");
    await expect(visitor.status()).toContainText("Accepted", { timeout: 1500 });
  }).toPass({ timeout: 20_000 });
  expect(visitor.faults).toEqual([]);
});

test("edits the callback and sees the new one run", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await visitor.typeBehind("elem->stuff++;", " elem->stuff += 999;");
  await expect(visitor.map("hmap")).toContainText("1123", { timeout: 20_000 });
});

test("types a C error and gets a squiggle and the compiler's words", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await visitor.typeBehind("int key = 0;", " nonsense;");
  await expect(visitor.source().locator(".squiggly-error").first()).toBeVisible({ timeout: 20_000 });
  await expect(visitor.source()).toContainText("undeclared identifier", { ignoreCase: true });
  await expect(visitor.map("hmap")).toBeVisible();
});

test("edits the script and sees it run, and its faults named", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("tab", { name: "script.user" }).click();
  await visitor.write("map update hmap 0 {stuff: 41}\nexpect map hmap[0].stuff == 42\n");
  await expect(visitor.map("hmap")).toContainText("41");
  await page.getByRole("tab", { name: /^Script/ }).click();
  await expect(page.getByText("expect map hmap[0].stuff == 42").last()).toBeVisible();
  await visitor.write("map update nosuch 0 1\n");
  await expect(visitor.source()).toContainText("no map 'nosuch'");
});

test("pastes ten megabytes and can go on", async ({ page }) => {
  test.slow();
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(123);
  await visitor.focusEditor();
  await page.keyboard.press("ControlOrMeta+A");
  // As the clipboard brings it: one paste, not ten million keys.
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData("text/plain", `// ${"x".repeat(96)}\n`.repeat(100_000));
    document.activeElement?.dispatchEvent(
      new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
    );
  });
  await expect(page.getByText(/takes up to 1,000,000/).first()).toBeVisible({ timeout: 30_000 });
  await visitor.chooseDemo("Delete while armed");
  await expect(visitor.source()).toContainText("open_session", { timeout: 30_000 });
  await expect(visitor.status()).toContainText("Accepted");
});

test("runs an endless program unverified, and the page goes on working", async ({ page }) => {
  test.slow();
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await page.getByRole("button", { name: "Settings" }).click();
  await page
    .getByRole("switch", { name: /unverified/i })
    .or(page.getByRole("checkbox", { name: /unverified/i }))
    .click();
  await page.keyboard.press("Escape");
  await visitor.typeBehind("int key = 0;", ' for (;;) { asm volatile(""); }');
  await expect(page.getByRole("alert").filter({ hasText: /soft lockup|without end/ })).toBeVisible({ timeout: 60_000 });
  await visitor.chooseDemo("The circle");
  await expect(visitor.events()).toContainText("armed for");
});

test("gives a command now, and is told when the kernel refuses it", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(123);
  await page.getByRole("tab", { name: /^Script/ }).click();
  const prompt = page.getByRole("textbox", { name: "Command to do now" });
  await prompt.fill("map update hmap 0 {stuff: 7}");
  await prompt.press("Enter");
  await expect(visitor.map("hmap")).toContainText("7");
  await prompt.fill("map delete hmap 5");
  await prompt.press("Enter");
  await expect(page.getByRole("alert").filter({ hasText: "ENOENT" })).toBeVisible();
});
