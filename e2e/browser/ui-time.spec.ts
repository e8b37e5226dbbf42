import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("moves now along the axis by mouse and keyboard", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  await page.getByRole("tab", { name: "Time" }).click();
  const ruler = page.getByRole("slider", { name: "Moment shown" });
  await ruler.focus();
  await page.keyboard.press("Home");
  await expect.poll(() => visitor.now()).toBe(0);
  await page.keyboard.press("PageDown");
  await expect.poll(() => visitor.now()).toBe(16);
  await expect(ruler).toHaveAttribute("aria-valuetext", /^16\.0 ms/);
  const box = await ruler.boundingBox();
  await page.mouse.click((box?.x ?? 0) + 2, (box?.y ?? 0) + 12);
  await expect.poll(() => visitor.now()).toBeLessThan(16);
  await expect(page.getByRole("button", { name: "Follow now" })).toBeVisible();
  expect(visitor.faults).toEqual([]);
});

test("steps an instruction and sees registers and what comes next", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  await page.getByRole("tab", { name: "Time" }).click();
  const ruler = page.getByRole("slider", { name: "Moment shown" });
  await ruler.focus();
  await page.keyboard.press("PageUp");
  const step = page.getByRole("button", { name: "Instruction", exact: true });
  await step.click();
  const registers = page.getByRole("region", { name: /^Registers of CPU/ });
  await expect(registers).toContainText("r10");
  const next = registers.locator("[aria-current=step]");
  const before = await next.textContent();
  await step.click();
  await expect(next).not.toHaveText(before ?? "");
});

test("sees where a timer waits: the wheel of the thread's timers, the queue of Linux's", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("tab", { name: "Time" }).click();
  await expect(
    page.getByRole("img", { name: /^Timer wheel at jiffy \d+: hmap\[0\] level 0 bucket \d+/ }),
  ).toBeVisible();
  await visitor.chooseDemo("A flow table");
  await expect(page.getByRole("heading", { name: "Timer queues" })).toBeVisible();
});

test("reads the axis as a table", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  const axis = page.locator("[data-panel=axis]");
  await axis.getByRole("button", { name: "Show as table" }).click();
  const table = axis.getByRole("table", { name: "Time axis" });
  await expect(table).toContainText("callback of hmap[0]");
  await expect(table).toContainText("is due");
});
