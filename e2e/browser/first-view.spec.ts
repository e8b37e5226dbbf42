import { expect, test } from "@playwright/test";
import catalogue from "../../src/demos/catalogue.json" with { type: "json" };
import { Visitor } from "./support/playground.ts";

test("opens the page and sees the timer fire", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await expect(visitor.source()).toContainText("bpf_timer_init");
  await visitor.reaches(123);
  await expect(visitor.events()).toContainText("timer_cb starts");
  await visitor.reaches(124);
  await expect(page.getByRole("group", { name: /^Reference graph/ })).toContainText("bpf_timer_test");
  await expect(visitor.status()).toContainText("Accepted");
  expect(visitor.faults).toEqual([]);
});

test("sees the first demo run before the compiler has arrived", async ({ page }) => {
  const visitor = new Visitor(page);
  await page.route("**/clang/**", () => {});
  await visitor.open();
  await expect(visitor.events()).toContainText("timer_cb starts");
  await visitor.reaches(124);
});

test("pauses, steps an event back and forth, and runs on", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  await expect(page.getByRole("button", { name: "Run", exact: true }).first()).toBeVisible();
  const paused = await visitor.now();
  await page.waitForTimeout(300);
  expect(await visitor.now()).toBe(paused);
  // Back to the first expiry, however many had passed when the pause came.
  for (let now = paused; now > 16; now = await visitor.now()) {
    await page.getByRole("button", { name: /^Previous expiry/ }).click();
    await expect.poll(() => visitor.now()).toBeLessThan(now);
  }
  await page.getByRole("button", { name: /^One event back/ }).click();
  await expect(visitor.map("hmap")).toContainText("123");
  await page.getByRole("button", { name: /^Next expiry/ }).click();
  await expect.poll(() => visitor.now()).toBe(16);
  await page.getByRole("button", { name: "Run", exact: true }).first().click();
  await visitor.reaches(125);
  expect(visitor.faults).toEqual([]);
});

test("goes through every demo", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  for (const { title: name } of catalogue) {
    await visitor.chooseDemo(name);
    await expect(page.getByRole("button", { name: /^Demo/ })).toContainText(name);
    await expect(visitor.status()).toContainText(/Accepted|Rejected/);
  }
  expect(visitor.faults).toEqual([]);
});
