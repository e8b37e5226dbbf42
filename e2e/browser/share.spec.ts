import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("shares and opens the link in a fresh context", async ({ page, browser, baseURL }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.chooseDemo("Update over a live timer");
  await expect(visitor.source()).toContainText("elem->stuff = -1");
  const url = await visitor.share();
  expect(url).toContain("#1/");

  const context = await browser.newContext(baseURL === undefined ? {} : { baseURL });
  const other = new Visitor(await context.newPage());
  await other.page.goto(url);
  await expect(other.source()).toContainText("elem->stuff = -1");
  await expect(other.page.getByRole("button", { name: /^Policy/ })).toContainText("rfc");
  await expect(other.events()).toContainText("armed for");
  await expect(other.status()).toContainText("Accepted");
  expect(other.faults).toEqual([]);
  await context.close();
});

test("shares a moment, and the link opens at it", async ({ page, browser }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  await expect(async () => {
    await page.getByRole("button", { name: /^Previous expiry/ }).click();
    await page.getByRole("button", { name: /^One event back/ }).click();
    await expect(visitor.map("hmap")).toContainText("123", { timeout: 2000 });
  }).toPass();
  const moment = await visitor.now();
  const url = await visitor.share();

  const context = await browser.newContext();
  const other = new Visitor(await context.newPage());
  await other.page.goto(url);
  await expect(other.map("hmap")).toContainText("123");
  await expect.poll(() => other.now()).toBe(moment);
  await context.close();
});

for (const [what, fragment, words] of [
  ["a hostile link", "#1/AAAA____zzzz", /cannot be opened/],
  ["a link of another site's making", "#!/login?next=<script>alert(1)</script>", /not from the playground/],
  ["a link of a newer playground", "#9/abcd", /newer playground/],
] as const) {
  test(`opens ${what}, is told so, and finds the page working`, async ({ page }) => {
    const visitor = new Visitor(page);
    await visitor.open(fragment);
    await expect(page.getByRole("alert").filter({ hasText: words })).toBeVisible();
    await visitor.reaches(124);
    expect(visitor.faults).toEqual([]);
  });
}

test("pastes a hostile link into the open page and loses nothing", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.typeBehind("#define flags", " /* mine */");
  await page.evaluate(() => {
    location.hash = "#1/not-a-link";
  });
  await expect(page.getByRole("alert").filter({ hasText: "cannot be opened" })).toBeVisible();
  await expect(visitor.source()).toContainText("/* mine */");
});

test("comes back and finds the work where it was", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.typeBehind("#define flags", " /* mine */");
  await expect(visitor.status()).toContainText("Saved on this device");
  await page.waitForTimeout(600);
  await page.reload();
  await expect(visitor.source()).toContainText("/* mine */");
});

test("writes live commands into the script, so that they travel in the link", async ({ page, browser }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(124);
  await visitor.pause();
  await page.getByRole("tab", { name: /^Script/ }).click();
  const prompt = page.getByRole("textbox", { name: "Command to do now" });
  await prompt.fill("map update hmap 0 {stuff: 7000}");
  await prompt.press("Enter");
  await visitor.reaches(7000);
  await page.getByRole("button", { name: /^Share/ }).click();
  await expect(page.getByText("A command that was given live is not part of the link.")).toBeVisible();
  await page.getByRole("button", { name: "Add to script.user first" }).click();
  await expect(visitor.source()).toContainText("map update hmap 0 {stuff: 7000}");
  await expect(page.getByText("1 command was given live.")).toHaveCount(0);
  const url = await visitor.share();

  const context = await browser.newContext();
  const other = new Visitor(await context.newPage());
  await other.page.goto(url);
  await other.reaches(7000);
  expect(other.faults).toEqual([]);
  await context.close();
});
