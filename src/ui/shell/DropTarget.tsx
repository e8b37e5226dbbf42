import { useEffect, useState } from "react";
import { useActions } from "./context.tsx";

/** Accepts an object, a source, a script or a snippet dropped anywhere on the page. */
export function DropTarget() {
  const actions = useActions();
  const [over, setOver] = useState(false);
  useEffect(() => {
    const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const onOver = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      void file.arrayBuffer().then((buffer) => {
        if (/\.(c|s|asm)$/i.test(file.name)) actions.openSource(file.name, new TextDecoder().decode(buffer));
        else if (/\.user$/.test(file.name)) actions.editScript(new TextDecoder().decode(buffer));
        else actions.openObject(file.name, new Uint8Array(buffer));
      });
    };
    addEventListener("dragover", onOver);
    addEventListener("dragleave", onLeave);
    addEventListener("drop", onDrop);
    return () => {
      removeEventListener("dragover", onOver);
      removeEventListener("dragleave", onLeave);
      removeEventListener("drop", onDrop);
    };
  }, [actions]);
  if (!over) return null;
  return (
    <div className="drop">
      <b>Drop to open</b>
      <span className="t2">an object (.bpf.o), a program (.c, .s), a script (.user) or a snippet file</span>
    </div>
  );
}
