import { type Demo, demosFrom } from "./index.ts";

const TEXTS = import.meta.glob<string>(["./programs/*.bpf.c", "./programs/*.user"], {
  query: "?raw",
  import: "default",
  eager: true,
});

/** The demos as the build put them into the page. */
export const demos: readonly Demo[] = demosFrom((file) => {
  const text = TEXTS[`./programs/${file}`];
  if (text === undefined) throw new Error(`the catalogue names ${file}, which is not there`);
  return text;
});
