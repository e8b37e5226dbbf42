import "monaco-editor/features/bracketMatching/register.js";
import "monaco-editor/features/caretOperations/register.js";
import "monaco-editor/features/clipboard/register.js";
import "monaco-editor/features/comment/register.js";
import "monaco-editor/features/cursorUndo/register.js";
import "monaco-editor/features/find/register.js";
import "monaco-editor/features/hover/register.js";
import "monaco-editor/features/indentation/register.js";
import "monaco-editor/features/linesOperations/register.js";
import "monaco-editor/features/multicursor/register.js";
import "monaco-editor/features/parameterHints/register.js";
import "monaco-editor/features/snippet/register.js";
import "monaco-editor/editor/contrib/suggest/browser/suggestController.js";
import "monaco-editor/features/toggleTabFocusMode/register.js";
import "monaco-editor/features/wordHighlighter/register.js";
import "monaco-editor/features/wordOperations/register.js";
import * as monaco from "monaco-editor/editor/editor.api.js";
import EditorWorker from "monaco-editor/editor/editor.worker.js?worker";
import type { ObjectNames } from "./object-names.ts";
import { type LanguageName, type TokenClass, tokenizeLine } from "./tokens.ts";

/** The editor's core with what this page needs of it; loaded on demand, since it is large. */
export { monaco };

self.MonacoEnvironment = { getWorker: () => new EditorWorker() };

const LANGUAGES: readonly LanguageName[] = ["bpf-c", "bpf-script", "bpf-asm"];

for (const id of LANGUAGES) {
  monaco.languages.register({ id });
  monaco.languages.setLanguageConfiguration(id, {
    comments:
      id === "bpf-c"
        ? { lineComment: "//", blockComment: ["/*", "*/"] }
        : id === "bpf-asm"
          ? { lineComment: "//", blockComment: ["/*", "*/"] }
          : { lineComment: "#" },
    brackets: [
      ["{", "}"],
      ["[", "]"],
      ["(", ")"],
    ],
    autoClosingPairs: [
      { open: "{", close: "}" },
      { open: "[", close: "]" },
      { open: "(", close: ")" },
      { open: '"', close: '"', notIn: ["string"] },
    ],
    indentationRules: { increaseIndentPattern: /\{[^}"']*$/, decreaseIndentPattern: /^\s*\}/ },
  });
}

class LineState implements monaco.languages.IState {
  readonly inComment: boolean;
  constructor(inComment: boolean) {
    this.inComment = inComment;
  }
  clone() {
    return this;
  }
  equals(other: monaco.languages.IState) {
    return other instanceof LineState && other.inComment === this.inComment;
  }
}

/** Colours names by what they are in the latest build. */
export function setObjectNames(names: ObjectNames): void {
  for (const language of LANGUAGES)
    monaco.languages.setTokensProvider(language, {
      getInitialState: () => new LineState(false),
      tokenize(line, state) {
        const result = tokenizeLine(language, line, state instanceof LineState && state.inComment, names);
        return {
          tokens: result.tokens.map((t) => ({ startIndex: t.start, scopes: t.cls === "" ? "plain" : t.cls })),
          endState: new LineState(result.inComment),
        };
      },
    });
}

const TOKEN_COLOURS: Record<Exclude<TokenClass, "">, string> = {
  kw: "--kw",
  str: "--str",
  num: "--str",
  com: "--text3",
  pp: "--text2",
  map: "--map",
  prog: "--prog",
  timer: "--timer",
};

/** Reads the page's colours as `#rrggbb`, however the style sheet spells them. */
function colourReader(dark: boolean): { of: (name: string) => string; done: () => void } {
  const probe = document.createElement("div");
  probe.style.colorScheme = dark ? "dark" : "light";
  probe.hidden = true;
  document.body.append(probe);
  return {
    of(name) {
      probe.style.color = `var(${name})`;
      const parts = /(\d+)\D+(\d+)\D+(\d+)/.exec(getComputedStyle(probe).color)?.slice(1) ?? ["0", "0", "0"];
      return `#${parts.map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`;
    },
    done: () => probe.remove(),
  };
}

/** Themes made of the page's own tokens. */
export function defineThemes(): void {
  for (const dark of [false, true]) {
    const { of, done } = colourReader(dark);
    monaco.editor.defineTheme(dark ? "page-dark" : "page-light", {
      base: dark ? "vs-dark" : "vs",
      inherit: false,
      rules: [
        { token: "", foreground: of("--text").slice(1) },
        ...Object.entries(TOKEN_COLOURS).map(([token, name]) => ({
          token,
          foreground: of(name).slice(1),
          ...(token === "map" || token === "prog" ? { fontStyle: "bold" } : {}),
        })),
      ],
      colors: {
        "editor.background": of("--panel"),
        "editor.foreground": of("--text"),
        "editorLineNumber.foreground": of("--text3"),
        "editorLineNumber.activeForeground": of("--text"),
        "editorCursor.foreground": of("--text"),
        "editor.selectionBackground": `${of("--selline")}88`,
        "editor.inactiveSelectionBackground": of("--sel"),
        "editor.wordHighlightBackground": of("--sel"),
        "editor.wordHighlightStrongBackground": of("--sel"),
        "editor.findMatchBackground": of("--selline"),
        "editor.findMatchHighlightBackground": of("--sel"),
        "editorBracketMatch.background": of("--sel"),
        "editorBracketMatch.border": of("--selline"),
        "editorError.foreground": of("--badF"),
        "editorWarning.foreground": of("--timL"),
        "editorInfo.foreground": of("--line3"),
        "editorWidget.background": of("--panel"),
        "editorWidget.foreground": of("--text"),
        "editorWidget.border": of("--line2"),
        "editorSuggestWidget.background": of("--panel"),
        "editorSuggestWidget.border": of("--line2"),
        "editorSuggestWidget.foreground": of("--text"),
        "editorSuggestWidget.selectedForeground": of("--text"),
        "editorSuggestWidget.selectedBackground": of("--sel"),
        "editorSuggestWidget.highlightForeground": of("--accent"),
        "editorSuggestWidget.focusHighlightForeground": of("--accent"),
        "list.hoverBackground": of("--raised"),
        "editorHoverWidget.background": of("--panel"),
        "editorHoverWidget.foreground": of("--text"),
        "editorHoverWidget.border": of("--line2"),
        "input.background": of("--panel"),
        "input.foreground": of("--text"),
        "input.border": of("--line2"),
        focusBorder: of("--accent"),
        "scrollbar.shadow": "#00000000",
        "scrollbarSlider.background": `${of("--line2")}99`,
        "scrollbarSlider.hoverBackground": `${of("--line3")}aa`,
        "scrollbarSlider.activeBackground": of("--line3"),
        "editorOverviewRuler.border": "#00000000",
        "editorIndentGuide.background1": "#00000000",
        "widget.shadow": dark ? "#00000080" : "#1419231a",
      },
    });
    done();
  }
}
