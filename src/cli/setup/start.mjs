// npm start: installs what is missing, builds the page, serves it and prints its URL.
import { ensureDependencies, root, run } from "./ensure.mjs";

ensureDependencies();
const code = run(process.execPath, ["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]);
if (code !== 0) process.exit(code);
const { preview } = await import("vite");
const server = await preview({
  root,
  preview: { port: Number(process.env.PORT ?? 4173), host: process.env.HOST ?? "localhost" },
});
console.log("\nBPF Timer Playground is at:");
server.printUrls();
