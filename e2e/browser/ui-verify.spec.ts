import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("reads why a program is refused, and walks its path backwards", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo("A timer on the stack");
  await expect(visitor.status()).toContainText("Rejected");
  await page.getByRole("button", { name: "Show the path" }).click();
  await expect(page.getByRole("tab", { name: "Verify" })).toHaveAttribute("aria-selected", "true");

  const verdict = page.getByRole("region", { name: "Verdict" });
  await expect(verdict).toContainText("EACCES");
  await expect(verdict).toContainText("expected=map_value");
  const path = page.getByRole("listbox", { name: "Instructions of the path" });
  await expect(path.getByRole("option").last()).toContainText("call bpf_timer_init");

  const state = page.getByRole("region", { name: "Verifier state" });
  const before = await state.getByRole("heading").textContent();
  await path.focus();
  await page.keyboard.press("ArrowUp");
  await expect(state.getByRole("heading")).not.toHaveText(before ?? "");
  await expect(path.locator("[aria-selected=true]")).toHaveCount(1);
});

test("finds the instructions of a line of C, and the line of an instruction", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("tab", { name: "Verify" }).click();
  const path = page.getByRole("listbox", { name: "Instructions of the path" });
  await expect(path.getByRole("option").first()).toBeVisible();
  await visitor.source().locator(".view-line", { hasText: "new_expire);" }).click();
  await expect(path.locator("[aria-selected=true] .c")).toHaveText("28");
  const line = await path.locator("[aria-selected=true] .c").textContent();
  await expect(visitor.source().locator(".line-numbers.active-line-number")).toHaveText(line ?? "?");
});

test("reads the kernel's log and finds its way in it", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo("A timer on the stack");
  await page.getByRole("tab", { name: "Verify" }).click();
  await page.getByRole("tab", { name: "Log" }).click();
  const log = page.getByRole("region", { name: /^Verifier log/ });
  await expect(log).toContainText("R1 type=fp expected=map_value");
  await expect(log).toContainText(/processed \d+ insns/);
  await page.getByRole("searchbox", { name: "Find in the log" }).fill("bpf_timer_init");
  await page.keyboard.press("Enter");
  await expect(log.locator(".hit")).toContainText("bpf_timer_init");
});

test("sees the hidden argument of the timer's call", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo("A flow table");
  await page.getByRole("tab", { name: "Verify" }).click();
  await page.getByRole("tab", { name: "Translated" }).click();
  const list = page.locator("[data-panel=instructions] .xl");
  await expect(list).toContainText("in place of bpf_map_lookup_elem");
  await list.evaluate((element) => element.scrollTo(0, 50 * 19));
  await expect(list).toContainText("hidden argument: this program");
});

test("reads the paths as a table", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("tab", { name: "Verify" }).click();
  const paths = page.locator("[data-panel=paths]");
  const drawn = await paths.getByRole("option").count();
  expect(drawn).toBeGreaterThan(1);
  await paths.getByRole("button", { name: "Show as table" }).click();
  await expect(paths.getByRole("row")).toHaveCount(drawn + 1);
});
