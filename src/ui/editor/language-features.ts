import type { PlaygroundState } from "../../store/types.ts";
import { type Completion, completionsForAssembly, completionsForC, completionsForScript } from "./completions.ts";
import { dialectOf, helperDoc, parametersOf } from "./helper-docs.ts";
import { hoverText } from "./hover.ts";
import { monaco } from "./monaco.ts";

const KINDS: Record<Completion["kind"], monaco.languages.CompletionItemKind> = {
  function: monaco.languages.CompletionItemKind.Function,
  constant: monaco.languages.CompletionItemKind.Constant,
  keyword: monaco.languages.CompletionItemKind.Keyword,
  member: monaco.languages.CompletionItemKind.Field,
  map: monaco.languages.CompletionItemKind.Variable,
  program: monaco.languages.CompletionItemKind.Function,
  type: monaco.languages.CompletionItemKind.Struct,
  snippet: monaco.languages.CompletionItemKind.Snippet,
  variable: monaco.languages.CompletionItemKind.Text,
};

function suggestions(
  model: monaco.editor.ITextModel,
  position: monaco.Position,
  list: readonly Completion[],
): monaco.languages.CompletionList {
  const word = model.getWordUntilPosition(position);
  const range = new monaco.Range(position.lineNumber, word.startColumn, position.lineNumber, position.column);
  return {
    suggestions: list.map((c) => ({
      label: c.label,
      kind: KINDS[c.kind],
      insertText: c.insert,
      insertTextRules:
        c.kind === "snippet" || c.kind === "function"
          ? monaco.languages.CompletionItemInsertTextRule.InsertAsSnippet
          : monaco.languages.CompletionItemInsertTextRule.None,
      detail: c.detail,
      documentation: c.doc,
      range,
      sortText: `${ORDER[c.kind]}${c.label}`,
    })),
  };
}

const ORDER: Record<Completion["kind"], number> = {
  map: 0,
  program: 0,
  member: 0,
  function: 1,
  constant: 2,
  keyword: 3,
  type: 3,
  snippet: 4,
  variable: 5,
};

const lineBefore = (model: monaco.editor.ITextModel, position: monaco.Position): string =>
  model.getLineContent(position.lineNumber).slice(0, position.column - 1);

/** The call that the cursor stands in: its name and the number of the argument, from 0. */
export function callAt(before: string): { readonly name: string; readonly argument: number } | null {
  let depth = 0;
  let argument = 0;
  for (let i = before.length - 1; i >= 0; i--) {
    const ch = before[i];
    if (ch === ";" || ch === "{") return null;
    if (ch === ")") depth++;
    else if (ch === "," && depth === 0) argument++;
    else if (ch === "(") {
      if (depth > 0) depth--;
      else {
        const name = /(\w+)\s*$/.exec(before.slice(0, i))?.[1];
        return name ? { name, argument } : null;
      }
    }
  }
  return null;
}

/** A hover waits so long for the verifier's states, which are made on demand, ms. */
const PATIENCE = 400;

/** Waits until the verifier's states of the program at a line are there, or patience ends. */
async function traced(read: () => PlaygroundState, inspect: (program: string) => void, line: number): Promise<void> {
  const { build, view } = read();
  // The Verify view shows one program; a hover must not change it.
  if (!build.report?.ok || view.view === "verify") return;
  const at = build.report.programs.find((p) => p.disassembly.some((d) => d.line === line && !/\.h$/.test(d.file)));
  if (!at || read().verifier?.program === at.name) return;
  inspect(at.name);
  for (let waited = 0; waited < PATIENCE && read().verifier?.program !== at.name; waited += 20)
    await new Promise((done) => setTimeout(done, 20));
}

/** Hovers, completion and parameter hints of the page's languages; returns what undoes it. */
export function registerLanguageFeatures(read: () => PlaygroundState, inspect: (program: string) => void): () => void {
  const registered = [
    monaco.languages.registerHoverProvider("bpf-c", {
      async provideHover(model, position) {
        const word = model.getWordAtPosition(position);
        if (!word) return null;
        await traced(read, inspect, position.lineNumber);
        // What is behind `.` or `->` is a member, and no variable of that name.
        const member = /(\.|->)\s*$/.test(model.getLineContent(position.lineNumber).slice(0, word.startColumn - 1));
        const text = hoverText(word.word, read(), member ? 0 : position.lineNumber);
        if (text === null) return null;
        return {
          range: new monaco.Range(position.lineNumber, word.startColumn, position.lineNumber, word.endColumn),
          contents: text.map((value) => ({ value })),
        };
      },
    }),
    monaco.languages.registerHoverProvider("bpf-script", {
      provideHover(model, position) {
        const word = model.getWordAtPosition(position);
        const text = word ? hoverText(word.word, read(), 0) : null;
        return text ? { contents: text.map((value) => ({ value })) } : null;
      },
    }),
    monaco.languages.registerCompletionItemProvider("bpf-c", {
      triggerCharacters: [".", ">", '"', "<"],
      provideCompletionItems(model, position) {
        const before = lineBefore(model, position);
        return suggestions(model, position, completionsForC(model.getValue(), before, read().build.report));
      },
    }),
    monaco.languages.registerCompletionItemProvider("bpf-asm", {
      triggerCharacters: [" "],
      provideCompletionItems(model, position) {
        return suggestions(model, position, completionsForAssembly(model.getValue(), lineBefore(model, position)));
      },
    }),
    monaco.languages.registerHoverProvider("bpf-asm", {
      provideHover(model, position) {
        const word = model.getWordAtPosition(position);
        const text = word ? hoverText(word.word, read(), 0) : null;
        return text ? { contents: text.map((value) => ({ value })) } : null;
      },
    }),
    monaco.languages.registerCompletionItemProvider("bpf-script", {
      triggerCharacters: [" ", "="],
      provideCompletionItems(model, position) {
        return suggestions(model, position, completionsForScript(lineBefore(model, position), read().build.report));
      },
    }),
    monaco.languages.registerSignatureHelpProvider("bpf-c", {
      signatureHelpTriggerCharacters: ["(", ","],
      provideSignatureHelp(model, position) {
        const from = Math.max(1, position.lineNumber - 4);
        const before = model.getValueInRange(new monaco.Range(from, 1, position.lineNumber, position.column));
        const call = callAt(before);
        const doc = call ? helperDoc(call.name, dialectOf(model.getValue())) : null;
        if (!call || !doc) return null;
        const parameters = parametersOf(doc);
        return {
          value: {
            signatures: [
              {
                label: doc.prototype,
                documentation: doc.summary,
                parameters: parameters.map((label) => ({ label })),
              },
            ],
            activeSignature: 0,
            activeParameter: Math.min(call.argument, Math.max(0, parameters.length - 1)),
          },
          dispose: () => undefined,
        };
      },
    }),
  ];
  return () => {
    for (const one of registered) one.dispose();
  };
}
