import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

const CLANG = "**/clang/*.pack";

test("is told when the compiler cannot be fetched, and tries again", async ({ page }) => {
  const visitor = new Visitor(page);
  await page.route(CLANG, (route) => route.fulfill({ status: 503 }));
  await visitor.open();
  await expect(page.getByText(/compiler could not be fetched: the server answered 503/).first()).toBeVisible({
    timeout: 30_000,
  });
  // The demo runs all the same.
  await expect(visitor.events()).toContainText("timer_cb starts");
  await page.unroute(CLANG);
  await page.getByRole("button", { name: "Try again" }).first().click();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
});

test("gets a damaged compiler, and is told", async ({ page }) => {
  const visitor = new Visitor(page);
  await page.route(CLANG, (route) => route.fulfill({ status: 200, body: Buffer.from("no module at all") }));
  await visitor.open();
  await expect(page.getByText(/compiler could not be/i).first()).toBeVisible({ timeout: 30_000 });
  await expect(visitor.events()).toContainText("timer_cb starts");
});

test("types on while a program compiles: the newest text wins", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await visitor.typeBehind("elem->stuff++;", " elem->stuff += 1;");
  for (let i = 0; i < 6; i++) {
    // About as long as a compile takes: some are ended in their midst.
    await page.waitForTimeout(230);
    await page.keyboard.insertText(` elem->stuff += ${i};`);
  }
  await page.keyboard.insertText(" elem->stuff = 424242;");
  await expect(visitor.map("hmap")).toContainText("424242", { timeout: 30_000 });
  expect(visitor.faults).toEqual([]);
});

test("comes back without network, and edits", async ({ page, context }) => {
  const first = new Visitor(page);
  await first.open();
  await expect(first.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, { timeout: 60_000 });
  await context.setOffline(true);
  await page.reload();
  await expect(first.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await first.typeBehind("elem->stuff++;", " elem->stuff = 717171;");
  await expect(first.map("hmap")).toContainText("717171", { timeout: 30_000 });
});

test("fetches no more than 25 MB on the first visit", async ({ page }) => {
  let bytes = 0;
  const sizes: Promise<void>[] = [];
  page.on("response", (response) => {
    sizes.push(
      response
        .body()
        .then((body) => {
          bytes += body.length;
        })
        // Answers without a body, and those of a page that is gone.
        .catch(() => {}),
    );
  });
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.status()).toContainText("clang 22 ready", { timeout: 60_000 });
  await Promise.all(sizes);
  expect(bytes).toBeGreaterThan(1e6);
  expect(bytes).toBeLessThan(25e6);
});
