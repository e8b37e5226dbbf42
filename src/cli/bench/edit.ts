import { existsSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "@playwright/test";
import { ensureChromium, root, run as runCommand } from "../setup/ensure.mjs";

/**
 * What a visitor waits for, in Chromium against the built page: the first visit (bytes, first picture, compiler ready), the second one,
 * one without network; then edits of a program of some hundred lines, until the error is underlined and until the verdict is shown.
 * Options: `--edits N` (default 20 of each kind), `--build` to build the page although there is one.
 */
const PROGRAM = fileURLToPath(new URL("./fixtures/edit.bpf.c", import.meta.url));
const MARK = "/* edit here */";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".ttf": "font/ttf",
};

interface Served {
  readonly url: string;
  /** Bytes of bodies sent since the last call. */
  takeBytes(): number;
  close(): void;
}

/** A plain static server: it compresses nothing, and says what it sent. */
function serve(folder: string): Promise<Served> {
  let bytes = 0;
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = path.join(folder, path.normalize(pathname === "/" ? "index.html" : decodeURIComponent(pathname)));
    if (!file.startsWith(folder) || !existsSync(file)) {
      response.statusCode = 404;
      response.end();
      return;
    }
    const tag = `"${statSync(file).mtimeMs}"`;
    response.setHeader("etag", tag);
    if (request.headers["if-none-match"] === tag) {
      response.statusCode = 304;
      response.end();
      return;
    }
    const body = readFileSync(file);
    bytes += body.length;
    response.setHeader("content-type", TYPES[path.extname(file)] ?? "application/octet-stream");
    response.setHeader("content-length", body.length);
    response.end(body);
  });
  return new Promise((resolve) => {
    server.listen(0, () => {
      resolve({
        url: `http://localhost:${(server.address() as AddressInfo).port}/`,
        takeBytes() {
          const taken = bytes;
          bytes = 0;
          return taken;
        },
        close: () => {
          server.closeAllConnections();
          server.close();
        },
      });
    });
  });
}

const status = (page: Page) => page.locator("footer.status");

interface Visit {
  readonly picture: number;
  readonly compiler: number;
}

/** ms until the demo is judged and drawn, and until the compiler is ready. */
async function visit(page: Page, url: string): Promise<Visit> {
  const begun = performance.now();
  const since = (): number => Math.round(performance.now() - begun);
  await page.goto(url);
  const picture = status(page)
    .getByText(/Accepted/)
    .waitFor({ timeout: 60_000 })
    .then(since);
  const compiler = status(page).getByText("clang 22 ready").waitFor({ timeout: 120_000 }).then(since);
  return { picture: await picture, compiler: await compiler };
}

/** Puts the text into the editor in place of the line that holds the mark, and measures in the page. */
async function edit(page: Page, text: string, done: (page: Page) => Promise<void>): Promise<number> {
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+End");
  const begun = performance.now();
  await page.keyboard.insertText(text);
  await done(page);
  return performance.now() - begun;
}

/** Waits in the page itself, frame by frame: no polling interval between the change and the clock. */
function until(selector: string, pattern: string, present = true): (page: Page) => Promise<void> {
  return async (page) => {
    await page.waitForFunction(
      ([where, what, wanted]) => {
        const shown = [...document.querySelectorAll(where)].some((e) => new RegExp(what).test(e.textContent ?? ""));
        return shown === wanted;
      },
      [selector, pattern, present] as const,
      { polling: "raf", timeout: 30_000 },
    );
  };
}

const UNDERLINED = until(".squiggly-error", "");
const ACCEPTED = until("footer.status [role=status]", "Accepted");
const REJECTED = until("footer.status [role=status]", "Rejected: EACCES");

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number);
}

function report(name: string, values: readonly number[], p50: number, p95: number | null): void {
  const [middle, high] = [percentile(values, 0.5), percentile(values, 0.95)];
  const goal = p95 === null ? `${p50}` : `${p50} / ${p95}`;
  const line = `${name.padEnd(34)} p50 ${middle} ms, p95 ${high} ms, first ${Math.round(values[0] as number)} ms (goal ${goal}, ${values.length} edits)`;
  process.stdout.write(`${line}\n`);
}

async function measureEdits(page: Page, count: number): Promise<void> {
  const editor = page.locator("[data-panel=editor]");
  await editor.locator(".view-lines").first().click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(readFileSync(PROGRAM, "utf8"));
  await ACCEPTED(page);
  await page.keyboard.press("ControlOrMeta+F");
  await page.keyboard.insertText(MARK);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  const [diagnostics, verdicts]: [number[], number[]] = [[], []];
  // Each text is new: nothing comes out of the cache of builds.
  for (let i = 0; i < count; i++) {
    diagnostics.push(await edit(page, `    missing(${i};`, UNDERLINED));
    await edit(page, `    opened += ${i}; /* fine ${i} */`, ACCEPTED);
    verdicts.push(await edit(page, `    flow->bytes += *(volatile __u64 *)(long)${i + 8};`, REJECTED));
    verdicts.push(await edit(page, `    opened += ${i}; /* again ${i} */`, ACCEPTED));
  }
  report("edit to diagnostics", diagnostics, 350, 600);
  report("edit to verdict", verdicts, 500, null);
}

async function measureVisits(context: BrowserContext, served: Served): Promise<Page> {
  const say = (name: string, { picture, compiler }: Visit, extra = ""): void => {
    process.stdout.write(
      `${name.padEnd(34)} running after ${picture} ms, compiler ready after ${compiler} ms${extra}\n`,
    );
  };
  const first = await context.newPage();
  const visited = await visit(first, served.url);
  // The service worker takes what it needs out of the browser's cache.
  await first.waitForFunction(() => navigator.serviceWorker.controller !== null, undefined, { timeout: 60_000 });
  say("first visit", visited, `, ${(served.takeBytes() / 1e6).toFixed(1)} MB (goal 25)`);
  await first.close();
  const second = await context.newPage();
  say("second visit", await visit(second, served.url), ` (goal 1500), ${(served.takeBytes() / 1e6).toFixed(1)} MB`);
  await second.close();
  await context.setOffline(true);
  const offline = await context.newPage();
  say("without network", await visit(offline, served.url), " (goal 1500)");
  await context.setOffline(false);
  return offline;
}

export async function run(args: readonly string[]): Promise<number> {
  const at = args.indexOf("--edits");
  const count = at >= 0 ? Number(args[at + 1]) : 20;
  if (!Number.isInteger(count) || count < 1) {
    process.stderr.write("usage: npm run bench -- edit [--edits N] [--build]\n");
    return 2;
  }
  const dist = path.join(root, "dist");
  if (args.includes("--build") || !existsSync(path.join(dist, "index.html"))) {
    const code = runCommand("npm", ["run", "-s", "build", "--", "--logLevel", "warn"]);
    if (code !== 0) return code;
  }
  const executable = await ensureChromium();
  if (executable === null) return 3;
  const { chromium } = await import("@playwright/test");
  const browser = await chromium.launch({
    ...(executable === "playwright" ? {} : { executablePath: executable }),
    args: ["--no-sandbox"],
  });
  const served = await serve(dist);
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await measureVisits(context, served);
    await measureEdits(page, count);
    return 0;
  } finally {
    await browser.close();
    served.close();
  }
}
