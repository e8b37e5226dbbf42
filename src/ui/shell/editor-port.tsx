import { createContext, type RefObject, useContext } from "react";
import type { FileName } from "../../store/types.ts";

/** What the rest of the page may ask of the editor that is on screen. */
export interface EditorPort {
  reveal(file: FileName | "assembly", line: number): void;
}

export const EditorPortContext = createContext<RefObject<EditorPort | null>>({ current: null });

export function useEditorPort(): RefObject<EditorPort | null> {
  return useContext(EditorPortContext);
}
