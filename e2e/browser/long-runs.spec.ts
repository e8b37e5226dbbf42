import { expect, type Page, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

/** Verified, and for all practical purposes endless: 2^23 times 2^23 callbacks, after as many small events as a run tells. */
const BOUNDED = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 rounds;

static long inner(__u32 i, void *ctx)
{
    *(__u64 *)ctx += i;
    return 0;
}

static long outer(__u32 i, void *ctx)
{
    bpf_loop(1 << 23, inner, ctx, 0);
    rounds++;
    return 0;
}

SEC("tc")
int spin(struct __sk_buff *skb)
{
    __u64 local = skb->len;

    for (int i = 0; i < 2100; i++)
        local += bpf_get_prandom_u32();
    bpf_loop(1 << 23, outer, &local, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
`;

const ENDLESS = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int rounds;

SEC("tc")
int spin(struct __sk_buff *skb)
{
    for (;;)
        rounds++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
`;

const FINE = ENDLESS.replace("for (;;)", "if (rounds < 41)");

/** A visitor expects an answer within a second; machines that run tests are busy. */
const ANSWER_MS = 2500;

async function open(page: Page, program: string, engine: string, unverified: boolean): Promise<Visitor> {
  const visitor = new Visitor(page);
  await visitor.open();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("radio", { name: engine }).click();
  if (unverified) await page.getByRole("checkbox", { name: /unverified/i }).check();
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "script.user" }).click();
  await visitor.write("prog run spin\n");
  await page.getByRole("tab", { name: /\.bpf\.c$/ }).click();
  await visitor.write(program);
  return visitor;
}

async function answers(page: Page): Promise<void> {
  const began = Date.now();
  await page.getByRole("button", { name: "Pause" }).first().click();
  await expect(page.getByRole("button", { name: "Run", exact: true }).first()).toBeVisible();
  expect(Date.now() - began).toBeLessThan(ANSWER_MS);
}

async function goesOn(visitor: Visitor): Promise<void> {
  await visitor.write(FINE);
  await visitor.page.getByRole("tab", { name: "script.user" }).click();
  await visitor.write("prog run spin\nexpect global rounds == 1\n");
  await expect(visitor.events()).toContainText("spin returned 0");
}

const paused = (page: Page) => page.getByRole("status").filter({ hasText: /Paused at line \d+ of \w+, CPU 0/ });

for (const engine of ["JIT", "Interpreter"]) {
  test(`a verified program that runs for years is paused where it stands: ${engine}`, async ({ page }) => {
    const visitor = await open(page, BOUNDED, engine, false);
    await expect(page.locator("[data-panel=graph]")).toContainText("spin");
    await expect(page.getByRole("button", { name: "Pause" }).first()).toBeVisible();
    await page.waitForTimeout(1500);
    await answers(page);
    await expect(paused(page)).toBeVisible();

    await page.getByRole("tab", { name: "Time" }).click();
    const registers = page.getByRole("region", { name: /^Registers of CPU/ });
    const step = page.getByRole("button", { name: "Instruction", exact: true });
    await step.click();
    const next = registers.locator("[aria-current=step]");
    const before = await next.textContent();
    await step.click();
    await expect(next).not.toHaveText(before ?? "");

    await page.getByRole("tab", { name: "Write" }).click();
    await page.getByRole("button", { name: "Run", exact: true }).first().click();
    await expect(page.getByRole("button", { name: "Pause" }).first()).toBeVisible();
    await answers(page);
    await expect(visitor.source()).toContainText("bpf_get_prandom_u32");
    expect(visitor.faults).toEqual([]);
  });

  test(`an endless program that no verifier has seen leaves the page usable: ${engine}`, async ({ page }) => {
    const visitor = await open(page, ENDLESS, engine, true);
    await expect(page.getByText(/soft lockup/).first()).toBeVisible();
    await expect(visitor.source()).toContainText("for (;;)");
    await goesOn(visitor);
    expect(visitor.faults).toEqual([]);
  });
}
