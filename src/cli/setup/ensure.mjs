// Installs what is missing, so that any npm script can be the first command after a clone. Plain JavaScript on
// Node's own modules: it runs before anything is installed. `node ensure.mjs [chromium]`.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

/** Runs a command with its output shown; returns its exit code (1 when it could not start). */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

function dependenciesAreCurrent() {
  const installed = path.join(root, "node_modules/.package-lock.json");
  if (!existsSync(installed)) return false;
  return (
    statSync(installed).mtimeMs >= statSync(path.join(root, "package-lock.json")).mtimeMs || sameVersions(installed)
  );
}

/** A checkout may be newer than the installation and yet ask for the same packages. */
function sameVersions(installedLock) {
  const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  const have = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  return Object.entries(wanted).every(
    ([name, entry]) => name === "" || entry.optional || have[name]?.version === entry.version,
  );
}

export function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  console.log("Installing dependencies (npm ci)…");
  const code = run("npm", ["ci", "--no-audit", "--no-fund"], { shell: process.platform === "win32" });
  if (code !== 0) {
    console.error("npm ci failed; the lines above say why.");
    process.exit(code);
  }
}

const SYSTEM_CHROMIUMS = [
  process.env.CHROMIUM_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** Path of a Chromium on this machine; "playwright" when Playwright has its own; null when there is none. */
export async function findChromium() {
  const system = SYSTEM_CHROMIUMS.find((candidate) => candidate && existsSync(candidate));
  if (system) return system;
  const { chromium } = await import("@playwright/test");
  return existsSync(chromium.executablePath()) ? "playwright" : null;
}

/** Finds a Chromium for the browser tests, or gets one: Playwright's own, else the system's package when root. */
export async function ensureChromium() {
  let found = await findChromium();
  if (found) return found;
  console.log("No Chromium found; asking Playwright for one…");
  run("npx", ["playwright", "install", "chromium"]);
  found = await findChromium();
  if (found) return found;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    console.log("Installing the system's chromium package…");
    run("apt-get", ["update", "-q"]);
    run("apt-get", ["install", "-y", "-q", "chromium"]);
    found = await findChromium();
  }
  if (!found) console.error("No Chromium could be found or installed. Set CHROMIUM_PATH to one.");
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  ensureDependencies();
  if (process.argv.includes("chromium") && !(await ensureChromium())) process.exit(1);
}
