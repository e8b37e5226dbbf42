import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

test("hovers a helper and reads its prototype", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.focusEditor();
  await visitor
    .source()
    .locator(".view-line span", { hasText: /^bpf_timer_init$/ })
    .first()
    .hover();
  await expect(page.locator(".monaco-hover").filter({ hasText: "callback_fn" })).toContainText("-EBUSY");
});

test("completes a helper and is shown its parameters", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.source().locator(".view-line", { hasText: "elem->stuff++;" }).click();
  await page.keyboard.press("End");
  await page.keyboard.type(" bpf_timer_de", { delay: 30 });
  const list = page.locator(".suggest-widget");
  await expect(list).toContainText("bpf_timer_del");
  await page.keyboard.press("Enter");
  await expect(visitor.source()).toContainText("bpf_timer_del(timer)");
  await page.keyboard.press("Escape");
});

test("types while the editor proper is still on its way, and loses nothing", async ({ page }) => {
  const visitor = new Visitor(page);
  await page.route(/CodeEditor.*\.js/, async (route) => {
    await new Promise((done) => setTimeout(done, 2500));
    await route.continue();
  });
  await visitor.open();
  const plain = page.getByRole("textbox", { name: "C source" });
  await plain.click();
  await page.keyboard.press("ControlOrMeta+Home");
  await page.keyboard.type("// typed early ");
  await page.locator(".monaco-editor").first().waitFor({ timeout: 20_000 });
  await page.waitForTimeout(300);
  await page.keyboard.type("and late");
  await expect(visitor.source()).toContainText("// typed early and late");
});

test("applies nothing it was not asked to: keys of the page stay out of the text", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.focusEditor();
  await page.keyboard.press("F8");
  await page.keyboard.press("ControlOrMeta+Home");
  await page.keyboard.type("?");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(visitor.source().locator(".view-line").first()).toContainText("?");
});

test("downloads the object, and drops it on the page again", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.reaches(123);
  await page.getByRole("button", { name: "Share", exact: true }).click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Object file" }).click();
  const download = await waiting;
  expect(download.suggestedFilename()).toBe("thread.bpf.o");
  const bytes = await readFile(await download.path());
  expect(bytes.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
  await page.keyboard.press("Escape");

  await page.evaluate(
    (data) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(data)], "mine.bpf.o"));
      document.body.dispatchEvent(
        new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    [...bytes],
  );
  await expect(page.getByRole("tab", { name: "mine.bpf.o" })).toBeVisible();
  await expect(visitor.source()).toContainText("mine.bpf.o is loaded");
  await expect(visitor.status()).toContainText("Accepted");
  await page.getByRole("tab", { name: "Assembly" }).click();
  await expect(visitor.source()).toContainText("call bpf_timer_init");
});

test("drops a broken object and is told so", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["\x7fELF nonsense"], "broken.o"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await expect(visitor.status()).toContainText(/does not load|Rejected/i);
  await expect(page.getByRole("note").first()).toBeVisible();
  expect(visitor.faults).toEqual([]);
});
