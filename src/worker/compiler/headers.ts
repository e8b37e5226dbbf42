const FILES = import.meta.glob<string>("../../toolchain/headers/**/*.h", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** Every header by the path that programs include it by. */
export const HEADERS: ReadonlyMap<string, string> = new Map(
  Object.entries(FILES).map(([path, text]) => [path.slice(path.indexOf("/headers/") + "/headers/".length), text]),
);
