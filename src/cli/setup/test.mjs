// npm test: installs what is missing, then checks, unit tests, kernel comparison and browser tests; ends with one
// line that counts them all.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureChromium, ensureDependencies, root, run } from "./ensure.mjs";

ensureDependencies();
const reports = path.join(root, "test-results");
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

function stage(title, command, args, env = {}) {
  const started = Date.now();
  console.log(`\n== ${title}`);
  const code = run(command, args, { env: { ...process.env, ...env } });
  console.log(
    `== ${title}: ${code === 0 ? "ok" : `failed (exit ${code})`}, ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  if (code !== 0) failures.push(title);
  return code;
}

function countStage(title, code) {
  totals[code === 0 ? "passed" : "failed"] += 1;
  return title;
}

countStage("check", stage("check (types, lint, format, layers)", "npm", ["run", "-s", "check"]));

const unitReport = path.join(reports, "unit.json");
stage("unit and kernel tests", process.execPath, [
  "node_modules/vitest/vitest.mjs",
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${unitReport}`,
]);
if (existsSync(unitReport)) {
  const unit = JSON.parse(readFileSync(unitReport, "utf8"));
  totals.passed += unit.numPassedTests;
  totals.failed += unit.numFailedTests;
  totals.skipped += unit.numPendingTests + unit.numTodoTests;
}

if (await ensureChromium()) {
  const browserReport = path.join(reports, "browser.json");
  stage(
    "browser tests",
    process.execPath,
    ["node_modules/@playwright/test/cli.js", "test", "-c", "e2e/playwright.config.ts", "--reporter=list,json"],
    {
      PLAYWRIGHT_JSON_OUTPUT_NAME: browserReport,
    },
  );
  if (existsSync(browserReport)) {
    const { stats } = JSON.parse(readFileSync(browserReport, "utf8"));
    totals.passed += stats.expected + stats.flaky;
    totals.failed += stats.unexpected;
    totals.skipped += stats.skipped;
  }
} else {
  failures.push("browser tests: no Chromium");
}

if (failures.length > 0) {
  console.log(`\nFailed: ${failures.join("; ")}`);
  totals.failed = Math.max(totals.failed, failures.length);
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(failures.length === 0 && totals.failed === 0 && totals.passed > 0 ? 0 : 1);
