import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

async function openRace(page: Page, demo: string): Promise<Visitor> {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo(demo);
  await expect(visitor.status()).toContainText("Accepted");
  await page.getByRole("tab", { name: "Race", exact: true }).click();
  return visitor;
}

const found = (page: Page) => page.getByRole("region", { name: "What was found" });
const steps = (page: Page) => page.getByRole("list", { name: "Steps" }).getByRole("listitem");
const explore = (page: Page) => page.getByRole("button", { name: /^Explore/ }).click();

const WALK = "The walk and the callback";
const BARE = "A packet and a callback";

test("explores a race, and reads it step by step", async ({ page }) => {
  const visitor = await openRace(page, WALK);
  await expect(found(page)).toContainText("Not explored yet");
  await explore(page);
  await expect(found(page)).toContainText("Use after free");
  await expect(found(page)).toContainText(/called after its program bpf_timer_test was freed/);
  await expect(steps(page).last()).toContainText("fails here");
  const cause = steps(page).filter({ hasText: "bpf_timer_mod: timer of hmap[0] armed" });
  await expect(cause).toContainText("cause");
  await expect(cause).toContainText("bpf_timer_mod(&elem->timer, new_expire);");

  // A step is a moment: maps and references are those of then.
  const graph = page.locator("[data-panel=graph]");
  await expect(graph).toContainText("followed into freed memory");
  await steps(page).filter({ hasText: "reads hmap[0].stuff" }).getByRole("button").first().click();
  await expect(graph).not.toContainText("followed into freed memory");
  await expect(visitor.map("hmap")).toContainText("123");
  await page.keyboard.press("ArrowDown");
  await expect(visitor.map("hmap")).toContainText("124");
  await expect(steps(page).filter({ hasText: "writes hmap[0].stuff" }).locator("[aria-current=step]")).toBeFocused();
  await page.keyboard.press("End");
  await expect(graph).toContainText("followed into freed memory");

  await page.getByRole("button", { name: "Replay in Time view" }).click();
  await expect(page.getByRole("tab", { name: "Time", exact: true })).toHaveAttribute("aria-selected", "true");
  await page.getByRole("button", { name: /^Run/ }).first().click();
  await expect(page.locator(".banner")).toContainText("Oops on CPU 1");
  expect(visitor.faults).toEqual([]);
});

test("compares the policies, and explores under another", async ({ page }) => {
  const visitor = await openRace(page, WALK);
  await page.getByRole("button", { name: "Compare policies" }).click();
  const row = (policy: string) => page.getByRole("row", { name: new RegExp(`^${policy}( set)? `) });
  await expect(row("unprotected")).toContainText("use after free");
  await expect(row("rfc")).toContainText("use after free");
  await expect(row("rfc-sync")).toContainText("none within 3");
  await expect(row("uref")).toContainText("none within 3");
  await expect(row("refcount")).toContainText("leak");
  await page.getByRole("button", { name: "refcount" }).click();
  await expect(found(page).getByRole("heading")).toHaveText("Leak");
  await expect(page.getByRole("button", { name: /^Policy/ })).toContainText("refcount");
  await page.getByRole("button", { name: "rfc-sync" }).click();
  await expect(found(page).getByRole("heading")).toHaveText("No schedule with at most 3 preemptions fails");
  expect(visitor.faults).toEqual([]);
});

test("finds a lost count, and none under the lock", async ({ page }) => {
  const visitor = await openRace(page, BARE);
  await page.keyboard.press("Control+Enter");
  await expect(found(page)).toContainText("expect map flows[0].count == 2: it is 1");
  await expect(steps(page).filter({ hasText: "writes flows[0].count: 1 → 1" })).toContainText("cause");
  await visitor.chooseDemo("The same under bpf_spin_lock");
  await expect(found(page)).toContainText("Not explored yet");
  await explore(page);
  await expect(found(page).getByRole("heading")).toHaveText(/^No schedule/);
  await page.getByRole("button", { name: "One preemption more" }).click();
  await expect(found(page)).toContainText("Not explored yet");
  expect(visitor.faults).toEqual([]);
});

test("cancels a long search, and is told what to do when there is nothing to search", async ({ page }) => {
  const visitor = await openRace(page, BARE);
  await visitor.page.getByRole("tab", { name: "script.user" }).click();
  const many = Array.from({ length: 20 }, (_, i) => `cpu ${i % 2}: prog run packet`).join("\n");
  await visitor.write(`prog run arm_locked cpu=1\n${many}\ncpu 1: advance next\n`);
  for (let i = 0; i < 6; i++) await page.getByRole("button", { name: "One preemption more" }).click();
  await explore(page);
  await expect(found(page)).toContainText("Searching under uref");
  await expect(found(page)).toContainText(/[1-9]\d* ?\d*schedules/);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(found(page)).toContainText("Cancelled: nothing found so far");

  await visitor.chooseDemo("The thread's program");
  await expect(found(page)).toContainText("Nothing runs side by side");
  await page.getByRole("button", { name: "Open a demo of a race" }).click();
  await expect(found(page)).toContainText("Not explored yet");
  await visitor.chooseDemo("A timer on the stack");
  await expect(found(page)).toContainText("The program is refused");
  await expect(page.getByRole("button", { name: /^Explore/ })).toBeDisabled();
  await page.getByRole("button", { name: "See why" }).click();
  await expect(page.getByRole("tab", { name: "Verify", exact: true })).toHaveAttribute("aria-selected", "true");
  expect(visitor.faults).toEqual([]);
});

test("shares a schedule, and the link opens it", async ({ page, browser }) => {
  const visitor = await openRace(page, BARE);
  await explore(page);
  await expect(steps(page).last()).toContainText("fails here");
  const count = await steps(page).count();
  const url = await visitor.share();
  const context = await browser.newContext();
  const other = await context.newPage();
  await other.goto(url);
  await expect(other.getByRole("tab", { name: "Race", exact: true })).toHaveAttribute("aria-selected", "true");
  await expect(steps(other)).toHaveCount(count);
  await expect(found(other)).toContainText("A schedule from a link");
  await expect(found(other)).toContainText("it is 1");
  await context.close();
});

for (const scheme of ["light", "dark"] as const) {
  test(`finds no serious barrier in the Race view, ${scheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await openRace(page, WALK);
    await explore(page);
    await expect(steps(page).last()).toContainText("fails here");
    await page.getByRole("button", { name: "Compare policies" }).click();
    await expect(page.getByRole("row", { name: /^unprotected/ })).toContainText("use after free");
    await page.waitForTimeout(300);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
  });
}

test("explores on a phone", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto("./?view=race");
  await page.getByRole("button", { name: /^Demo/ }).click();
  await page.locator(".menu [role=option]", { hasText: WALK }).click();
  await explore(page);
  await expect(found(page)).toContainText("Use after free");
  await page.getByRole("button", { name: "Schedule", exact: true }).click();
  await expect(steps(page).last()).toContainText("fails here");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide).toBeLessThanOrEqual(390);
});
