import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/**
 * The service worker that lets a second visit do without the network. It holds the page's own files (clang's module is kept by the
 * compiler's worker, unpacked); the page itself comes from the network when there is one, so that a new version is seen at once.
 */
const SERVICE_WORKER = `
const CACHE = "page-" + VERSION;
const PAGE = new URL("./", self.registration.scope).href;
const OWN = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));

self.addEventListener("install", (event) => {
  // What the first visit has fetched is taken from the browser's own cache, not fetched again.
  const keep = (cache) => Promise.all(
    [PAGE, ...OWN].map(async (url) => {
      const response = await fetch(url, { cache: "force-cache" });
      if (!response.ok) throw new Error(url + ": " + response.status);
      await cache.put(url, response);
    }),
  );
  // A page of the version before may still ask for its own files: this one waits until it is closed.
  event.waitUntil(caches.open(CACHE).then(keep));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith("page-") && name !== CACHE);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && new URL(request.url).href.replace(/[?#].*/, "") === PAGE) {
    const kept = async () => (await caches.match(PAGE)) ?? Response.error();
    event.respondWith(fetch(request).catch(kept));
  } else if (OWN.has(request.url)) {
    event.respondWith(caches.match(request.url).then((kept) => kept ?? fetch(request)));
  }
});
`;

/** Emits `offline.js` beside the page; in development there is none. */
export function offlinePlugin(): Plugin {
  return {
    name: "playground-offline",
    apply: "build",
    generateBundle: {
      // After every plugin that adds files.
      order: "post",
      handler(_, bundle) {
        const files = Object.keys(bundle)
          .filter((file) => !/\.(map|pack)$/.test(file) && !file.endsWith(".html"))
          .sort();
        const contents = createHash("sha256");
        for (const file of Object.keys(bundle).sort()) {
          const part = bundle[file];
          contents.update(file).update(part?.type === "chunk" ? part.code : (part?.source ?? ""));
        }
        const version = contents.digest("hex").slice(0, 12);
        const head = `const VERSION = ${JSON.stringify(version)};\nconst FILES = ${JSON.stringify(files)};`;
        this.emitFile({ type: "asset", fileName: "offline.js", source: head + SERVICE_WORKER });
      },
    },
  };
}
