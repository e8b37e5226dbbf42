import { expect, type Page } from "@playwright/test";

/** What a visitor sees and touches, in their words. */
export class Visitor {
  readonly page: Page;
  /** What the page complained of by itself: must stay empty. */
  readonly faults: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.faults.push(message.text());
    });
  }

  async open(fragment = ""): Promise<void> {
    await this.page.goto(`./${fragment}`);
    await expect(this.clock()).toBeVisible();
  }

  clock() {
    return this.page.getByRole("timer", { name: "Virtual time" });
  }

  /** Virtual time shown, ms. */
  async now(): Promise<number> {
    const text = (await this.clock().textContent()) ?? "";
    const unit = (await this.clock().locator("xpath=following-sibling::*[1]").textContent()) ?? "ms";
    return Number(text.replaceAll(/[\s,]/g, "")) * ({ ms: 1, s: 1000, us: 1e-3, ns: 1e-6 }[unit.trim()] ?? 1);
  }

  events() {
    return this.page.getByRole("listbox", { name: "Events" });
  }

  map(name: string) {
    return this.page.getByRole("table", { name: `Map ${name}` });
  }

  /** Waits until `hmap[0].stuff` of the thread's program, which grows with every expiry, is at least `count`: the clock runs on meanwhile. */
  async reaches(count: number): Promise<void> {
    const stuff = this.map("hmap").getByRole("row").nth(1).getByRole("cell").nth(1);
    await expect.poll(async () => Number(await stuff.textContent())).toBeGreaterThanOrEqual(count);
  }

  status() {
    return this.page.locator("footer.status");
  }

  source() {
    return this.page.locator("[data-panel=editor]");
  }

  async chooseDemo(title: string): Promise<void> {
    await this.page.getByRole("button", { name: /^Demo/ }).click();
    await this.page.locator(".menu [role=option]", { hasText: title }).click();
  }

  /** Puts a text into the editor in place of what is there. */
  async write(text: string): Promise<void> {
    await this.focusEditor();
    await this.page.keyboard.press("ControlOrMeta+A");
    await this.page.keyboard.insertText(text);
  }

  /** Puts the cursor at the end of a line that contains `part` and types there. */
  async typeBehind(part: string, text: string): Promise<void> {
    await this.source().locator(".view-line", { hasText: part }).first().click();
    await this.page.keyboard.press("End");
    await this.page.keyboard.insertText(text);
  }

  async focusEditor(): Promise<void> {
    await this.source().locator(".monaco-editor").first().waitFor();
    await this.source().locator(".view-lines").first().click();
  }

  /** Opens the share dialog and returns the link. */
  async share(): Promise<string> {
    await this.page.getByRole("button", { name: "Share", exact: true }).click();
    const link = this.page.getByRole("textbox", { name: "Link" });
    await expect(link).toHaveValue(/^http/);
    const url = await link.inputValue();
    await this.page.keyboard.press("Escape");
    return url;
  }

  /** Pauses, and waits until the clock stands: on a slow machine the page shows the last moment a little later. */
  async pause(): Promise<void> {
    await this.page.getByRole("button", { name: "Pause" }).first().click();
    await expect(async () => {
      const before = await this.now();
      await this.page.waitForTimeout(300);
      expect(await this.now()).toBe(before);
    }).toPass();
  }
}
