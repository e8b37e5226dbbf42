import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { offlinePlugin } from "./src/cli/offline-plugin.ts";
import { compilerPlugin } from "./src/cli/vite-plugin.ts";

export default defineConfig({
  base: "./",
  plugins: [react(), compilerPlugin(), offlinePlugin()],
  build: { target: "es2023", sourcemap: true, chunkSizeWarningLimit: 4000 },
  worker: { format: "es" },
  test: {
    include: ["src/**/*.test.ts", "src/**/*.test.tsx", "e2e/kernel/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
