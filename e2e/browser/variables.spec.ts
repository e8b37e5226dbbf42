import { expect, type Page, test } from "@playwright/test";
import { Visitor } from "./support/playground.ts";

const SOURCE = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct elem { __u64 hits; struct bpf_timer timer; };
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct elem);
} table SEC(".maps");

__u64 total;

SEC("xdp")
int probe(struct xdp_md *ctx)
{
    __u32 slot = ctx->rx_queue_index & 3;
    struct elem *found = bpf_map_lookup_elem(&table, &slot);
    __u64 unused = 7;
    if (!found)
        return XDP_DROP;
    found->hits++;
    total += slot;
    return XDP_PASS;
}
char LICENSE[] SEC("license") = "GPL";
`;

/** Rests the pointer on a word of a line of the program, and gives the text that appears. */
async function hover(page: Page, visitor: Visitor, line: string, word: string): Promise<string> {
  await page.mouse.move(5, 5);
  await expect(page.locator(".monaco-hover:visible")).toHaveCount(0);
  const row = visitor.source().locator(".view-line", { hasText: line });
  const at = await row.evaluate((element, text) => {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let found: DOMRect | null = null;
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
      const from = (node.textContent ?? "").search(new RegExp(`\\b${text}\\b`));
      if (from < 0) continue;
      const range = document.createRange();
      range.setStart(node, from);
      range.setEnd(node, from + text.length);
      found = range.getBoundingClientRect();
    }
    return found === null ? null : { x: found.x + found.width / 2, y: found.y + found.height / 2 };
  }, word);
  if (at === null) throw new Error(`no '${word}' on the line '${line}'`);
  await page.mouse.move(at.x, at.y, { steps: 4 });
  const box = page.locator(".monaco-hover:visible").first();
  await expect(box).toBeVisible();
  return (await box.textContent()) ?? "";
}

test("hovers a variable and reads where it is and what the verifier knows of it there", async ({ page }) => {
  const visitor = new Visitor(page);
  await visitor.open();
  await visitor.write(SOURCE);
  await expect(page.locator("[data-panel=graph]")).toContainText("probe");

  const checked = await hover(page, visitor, "if (!found)", "found");
  expect(checked).toContain("struct elem *");
  expect(checked).toContain("map_value_or_null: table, ks 4, vs 24");
  expect(checked).toMatch(/in R\d/);

  const used = await hover(page, visitor, "found->hits++", "found");
  expect(used).toContain("map_value: table");
  expect(used).not.toContain("or_null");

  const slot = await hover(page, visitor, "total += slot", "slot");
  expect(slot).toContain("__u32");
  expect(slot).toContain("fp-");

  // The optimiser knows what it holds.
  expect(await hover(page, visitor, "__u64 unused = 7", "unused")).toContain("7, a constant");

  expect(visitor.faults).toEqual([]);
});
