import { createRoot } from "react-dom/client";
import type { ViewName } from "../../store/types.ts";
import { App } from "../shell/App.tsx";
import { fixtureStore } from "./fixture.ts";
import { SCENES } from "./scenes.ts";

const query = new URLSearchParams(location.search);
const { store, actions } = fixtureStore();
const scene = SCENES[query.get("scene") ?? ""];
if (scene) store.setState(scene());
store.setState((s) => ({
  view: {
    ...s.view,
    view: (query.get("view") ?? "write") as ViewName,
    dialog: (query.get("dialog") ?? "none") as "none" | "share" | "help" | "settings",
    theme: (query.get("theme") ?? "system") as "light" | "dark" | "system",
  },
}));
/** Time runs: a new snapshot every frame, as the engine would send. */
if (query.has("play")) {
  const start = store.getState().run.snapshot;
  let now = start?.now ?? 0;
  const tick = () => {
    now += 16_000;
    if (start)
      store.setState((s) => ({ run: { ...s.run, status: "running", snapshot: { ...structuredClone(start), now } } }));
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}
createRoot(document.getElementById("root") as HTMLElement).render(<App store={store} actions={actions} />);
