import { clangAsset } from "virtual:clang-asset";
import { precompiledDemos } from "virtual:precompiled-demos";
import { get, createStore as openDatabase, set } from "idb-keyval";
import { createRoot } from "react-dom/client";
import { version as engineVersion } from "../package.json";
import { workerPort } from "./client/port.ts";
import { demos } from "./demos/bundled.ts";
import { Playground } from "./store/playground.ts";
import { App } from "./ui/shell/App.tsx";

const database = openDatabase("bpf-timer-playground", "work");

const playground = new Playground({
  openEngine: () =>
    workerPort(new Worker(new URL("./worker/engine-worker.ts", import.meta.url), { type: "module", name: "engine" })),
  openCompiler: () =>
    workerPort(
      new Worker(new URL("./worker/compiler-worker.ts", import.meta.url), { type: "module", name: "compiler" }),
    ),
  clang: clangAsset,
  precompiled: precompiledDemos,
  demos,
  storage: {
    get: (key) => get<string>(key, database),
    set: (key, value) => set(key, value, database),
  },
  versions: { engine: engineVersion, compiler: clangAsset.version },
  address: location.href.replace(/#.*$/s, ""),
  dropFragment: () => {
    if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  },
  pace: (done) => requestAnimationFrame(done),
  visit: crypto.randomUUID(),
});

addEventListener("hashchange", () => playground.follow(location.hash));
addEventListener("pagehide", () => playground.flush());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") playground.flush();
});

createRoot(document.getElementById("root") as HTMLElement).render(
  <App store={playground.store} actions={playground.actions} />,
);
void playground.start(location.hash);

// The second visit needs no network. Not in development, where files change under the page.
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  addEventListener("load", () => {
    navigator.serviceWorker.register(new URL("offline.js", document.baseURI)).catch(() => {
      // Refused (private window, no https): the page only needs the network next time.
    });
  });
}
