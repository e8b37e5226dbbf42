import type { ToCompiler } from "../protocol/compiler.ts";
import { loadClangModule } from "./compiler/clang-module.ts";
import { HEADERS } from "./compiler/headers.ts";
import { serveCompiler } from "./compiler/serve.ts";

/** Entry of the compiler's worker. */
const receive = serveCompiler({
  headers: HEADERS,
  load: loadClangModule,
  post: (message) => self.postMessage(message),
  now: () => performance.now(),
  idle: (task) => setTimeout(task, 0),
});
self.onmessage = (event: MessageEvent<ToCompiler>) => receive(event.data);
