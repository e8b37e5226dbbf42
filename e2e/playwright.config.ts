import { defineConfig } from "@playwright/test";
import { findChromium } from "../src/cli/setup/ensure.mjs";

const PORT = 4273;
const chromium = await findChromium();

export default defineConfig({
  testDir: "browser",
  outputDir: "../test-results/browser",
  fullyParallel: true,
  workers: 2,
  timeout: 90_000,
  retries: 0,
  // Two workers share what may be two cores with everything else that a test run does.
  expect: { timeout: 20_000 },
  reporter: "list",
  use: {
    baseURL: `http://localhost:${PORT}/`,
    viewport: { width: 1440, height: 900 },
    trace: "retain-on-failure",
    launchOptions: {
      ...(chromium && chromium !== "playwright" ? { executablePath: chromium } : {}),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
      ],
    },
  },
  webServer: {
    command: `npm run -s build && npx vite preview --port ${PORT} --strictPort`,
    cwd: "..",
    url: `http://localhost:${PORT}/`,
    timeout: 240_000,
    reuseExistingServer: !process.env["CI"],
  },
});
