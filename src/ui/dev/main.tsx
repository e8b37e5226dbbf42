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
createRoot(document.getElementById("root") as HTMLElement).render(<App store={store} actions={actions} />);
