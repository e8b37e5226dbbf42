import { type ReactNode, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import type { FileName } from "../../store/types.ts";
import { useActions, useReadState } from "../shell/context.tsx";
import { useEditorPort } from "../shell/editor-port.tsx";
import { takeCursor } from "./handover.ts";
import { registerLanguageFeatures } from "./language-features.ts";
import type { LineMarks } from "./marks.ts";
import { defineThemes, monaco, setObjectNames } from "./monaco.ts";
import type { ObjectNames } from "./object-names.ts";
import type { Problem } from "./problems.ts";
import type { LanguageName } from "./tokens.ts";

type FileId = FileName | "assembly";
type Editor = ReturnType<typeof monaco.editor.create>;

const LANGUAGE: Record<FileId, LanguageName> = { program: "bpf-c", script: "bpf-script", assembly: "bpf-asm" };

interface Props {
  readonly file: FileId;
  readonly language: LanguageName;
  readonly text: string;
  readonly readOnly: boolean;
  readonly label: string;
  readonly fontSize: number;
  readonly names: ObjectNames;
  readonly problems: readonly Problem[];
  readonly marks: LineMarks;
  readonly dark: boolean;
  /** Lines with a breakpoint; null where there can be none. */
  readonly stops: readonly number[] | null;
  /** At most one note is open; null for none. */
  readonly note: { readonly line: number; readonly body: ReactNode } | null;
  /** Stands for the build that marks and problems count lines of; typing moves them until the next one. */
  readonly build: unknown;
  /** Brought into view when it changes, unless the visitor is typing; null for none. */
  readonly focusLine: number | null;
  readonly onEdit: (text: string) => void;
  readonly onStop: (line: number) => void;
  /** `chosen`: by the visitor, not by a link that brought the line into view. */
  readonly onCursor: (line: number, chosen: boolean) => void;
}

function modelOf(file: FileId): monaco.editor.ITextModel {
  const uri = monaco.Uri.parse(`inmemory://playground/${file}`);
  const known = monaco.editor.getModel(uri);
  if (known) return known;
  const model = monaco.editor.createModel("", LANGUAGE[file], uri);
  // Colours are names here; brackets have none.
  model.updateOptions({ bracketColorizationOptions: { enabled: false, independentColorPoolPerBracketType: false } });
  return model;
}

function decorationsOf(marks: LineMarks, model: monaco.editor.ITextModel): monaco.editor.IModelDeltaDecoration[] {
  const lines = model.getLineCount();
  const all: monaco.editor.IModelDeltaDecoration[] = [];
  const at = (line: number) => new monaco.Range(line, 1, line, 1);
  for (const [line, state] of marks.gutter)
    if (line <= lines) all.push({ range: at(line), options: { linesDecorationsClassName: `cov-${state}` } });
  for (const [line, tint] of marks.tint)
    if (line <= lines)
      all.push({
        range: at(line),
        options: {
          isWholeLine: true,
          className: `tint-${tint}`,
          marginClassName: `tint-${tint}`,
          ...(tint === "error" ? { lineNumberClassName: "no-error" } : {}),
        },
      });
  for (const [line, after] of marks.after)
    if (line <= lines) {
      const end = model.getLineMaxColumn(line);
      all.push({
        range: new monaco.Range(line, end, line, end),
        options: {
          showIfCollapsed: true,
          after: { content: `\u2003${after.text}`, inlineClassName: `after ${after.tone}`, cursorStops: 0 },
        },
      });
    }
  return all;
}

const SEVERITY = {
  error: monaco.MarkerSeverity.Error,
  refused: monaco.MarkerSeverity.Error,
  warning: monaco.MarkerSeverity.Warning,
  unsupported: monaco.MarkerSeverity.Info,
} as const;

const markerOf = (p: Problem): monaco.editor.IMarkerData => ({
  severity: SEVERITY[p.kind],
  message: p.kernel && p.kernel !== p.title ? `${p.title}\n${p.kernel}` : p.title,
  startLineNumber: p.line,
  startColumn: p.column,
  endLineNumber: p.line,
  endColumn: p.endColumn,
});

/** Monaco with the page's marks, notes and hovers. Text flows in by props and out by onEdit. */
export function CodeEditor(props: Props) {
  const host = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Editor | null>(null);
  const latest = useRef(props);
  latest.current = props;
  /** The build after which the visitor has typed: its lines are no longer those of the text. */
  const typedAfter = useRef<unknown>(undefined);
  const port = useEditorPort();
  const actions = useActions();
  const read = useReadState();

  useEffect(() => {
    defineThemes();
    const created = monaco.editor.create(host.current as HTMLElement, {
      model: modelOf(latest.current.file),
      theme: latest.current.dark ? "page-dark" : "page-light",
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      fontSize: latest.current.fontSize,
      lineHeight: 19,
      fontLigatures: false,
      lineNumbersMinChars: 5,
      lineDecorationsWidth: 21,
      glyphMargin: false,
      folding: false,
      minimap: { enabled: false },
      renderLineHighlight: "none",
      renderFinalNewline: "on",
      overviewRulerLanes: 0,
      hideCursorInOverviewRuler: true,
      scrollBeyondLastLine: false,
      padding: { top: 8, bottom: 8 },
      scrollbar: {
        verticalScrollbarSize: 10,
        horizontalScrollbarSize: 10,
        useShadows: false,
        alwaysConsumeMouseWheel: false,
      },
      automaticLayout: true,
      contextmenu: false,
      occurrencesHighlight: "singleFile",
      selectionHighlight: false,
      guides: { indentation: false },
      bracketPairColorization: { enabled: false },
      stickyScroll: { enabled: false },
      tabSize: 4,
      detectIndentation: true,
      fixedOverflowWidgets: true,
      unicodeHighlight: { ambiguousCharacters: false },
      accessibilitySupport: "auto",
      hover: { delay: 250, above: false },
      quickSuggestions: { other: true, comments: false, strings: false },
      suggest: { showStatusBar: false, preview: false },
      wordBasedSuggestions: "off",
    });
    const subscriptions = [
      created.onDidChangeModelContent((event) => {
        const { file, text, onEdit } = latest.current;
        const value = created.getModel()?.getValue() ?? "";
        if (event.isFlush || file === "assembly" || value === text) return;
        if (file === "program") typedAfter.current = latest.current.build;
        onEdit(value);
      }),
      created.onMouseDown((event) => {
        const { type, position } = event.target;
        const gutter =
          type === monaco.editor.MouseTargetType.GUTTER_LINE_NUMBERS ||
          type === monaco.editor.MouseTargetType.GUTTER_LINE_DECORATIONS;
        if (gutter && position && event.event.leftButton && latest.current.stops !== null)
          latest.current.onStop(position.lineNumber);
      }),
      created.onDidChangeCursorPosition((event) =>
        latest.current.onCursor(event.position.lineNumber, event.source !== "api"),
      ),
    ];
    const cursor = takeCursor();
    const model = created.getModel();
    if (cursor && model) {
      if (model.getValue() !== latest.current.text) model.setValue(latest.current.text);
      created.setSelection(
        monaco.Range.fromPositions(model.getPositionAt(cursor.start), model.getPositionAt(cursor.end)),
      );
      created.focus();
    }
    setEditor(created);
    const unregister = registerLanguageFeatures(read, (program) => actions.inspectProgram(program));
    return () => {
      unregister();
      for (const subscription of subscriptions) subscription.dispose();
      created.setModel(null);
      created.dispose();
    };
  }, [read, actions]);

  useEffect(() => {
    if (!editor) return;
    const mine = {
      reveal(file: FileId, line: number) {
        const go = () => {
          editor.setPosition({ lineNumber: line, column: 1 });
          editor.revealLineInCenterIfOutsideViewport(line);
          editor.focus();
        };
        if (latest.current.file === file) go();
        else {
          actions.setView({ file, cursorLine: line });
          requestAnimationFrame(() => requestAnimationFrame(go));
        }
      },
    };
    port.current = mine;
    return () => {
      if (port.current === mine) port.current = null;
    };
  }, [editor, port, actions]);

  useEffect(() => setObjectNames(props.names), [props.names]);
  useEffect(() => monaco.editor.setTheme(props.dark ? "page-dark" : "page-light"), [props.dark]);
  useEffect(() => {
    editor?.updateOptions({ fontSize: props.fontSize, readOnly: props.readOnly, ariaLabel: props.label });
  }, [editor, props.fontSize, props.readOnly, props.label]);

  useEffect(() => {
    if (!editor) return;
    const model = modelOf(props.file);
    if (model.getLanguageId() !== props.language) monaco.editor.setModelLanguage(model, props.language);
    if (editor.getModel() !== model) editor.setModel(model);
    if (model.getValue() === props.text) return;
    if (props.file === "assembly" || model.getValueLength() === 0) model.setValue(props.text);
    else model.pushEditOperations([], [{ range: model.getFullModelRange(), text: props.text }], () => null);
  }, [editor, props.file, props.language, props.text]);

  const decorations = useRef<monaco.editor.IEditorDecorationsCollection | null>(null);
  useEffect(() => {
    const model = editor?.getModel();
    if (!editor || !model) return;
    if (props.file === "program" && typedAfter.current === props.build && decorations.current) return;
    decorations.current?.clear();
    decorations.current = editor.createDecorationsCollection(decorationsOf(props.marks, model));
  }, [editor, props.marks, props.file, props.build]);

  const stopMarks = useRef<monaco.editor.IEditorDecorationsCollection | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the marks belong to the text that the file has now
  useEffect(() => {
    const lines = editor?.getModel()?.getLineCount() ?? 0;
    stopMarks.current?.clear();
    stopMarks.current =
      editor?.createDecorationsCollection(
        (props.stops ?? [])
          .filter((line) => line <= lines)
          .map((line) => ({ range: new monaco.Range(line, 1, line, 1), options: { lineNumberClassName: "stop-at" } })),
      ) ?? null;
  }, [editor, props.stops, props.file, props.text]);

  useEffect(() => {
    if (editor && props.focusLine !== null && !editor.hasTextFocus())
      editor.revealLineInCenterIfOutsideViewport(props.focusLine);
  }, [editor, props.focusLine]);

  // Marks need their text: the models are filled before, and again when another file comes up.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the file decides which model has just been filled
  useEffect(() => {
    if (!editor) return;
    for (const file of ["program", "script"] as const) {
      if (file === "program" && typedAfter.current === props.build) continue;
      const mine = props.problems.filter((p) => p.file === file && p.line > 0);
      monaco.editor.setModelMarkers(modelOf(file), "build", mine.map(markerOf));
    }
  }, [editor, props.file, props.problems, props.build]);

  return (
    <div className={props.stops ? "monaco-host stops" : "monaco-host"} ref={host} data-testid="editor">
      {editor && props.note ? (
        <NoteZone editor={editor} key={props.file} line={props.note.line} body={props.note.body} />
      ) : null}
    </div>
  );
}

/** Room below a line, and a layer over it: zones alone do not receive clicks. */
function NoteZone({
  editor,
  line,
  body,
}: {
  readonly editor: Editor;
  readonly line: number;
  readonly body: ReactNode;
}) {
  const [layer] = useState(() => {
    const element = document.createElement("div");
    element.className = "note-host";
    return element;
  });
  useEffect(() => {
    const zone = {
      afterLineNumber: line,
      heightInPx: 100,
      domNode: document.createElement("div"),
      suppressMouseDown: true,
      onDomNodeTop: (top: number) => {
        layer.style.top = `${top}px`;
      },
    };
    const place = () => {
      const layout = editor.getLayoutInfo();
      layer.style.left = `${layout.contentLeft}px`;
      layer.style.width = `${layout.contentWidth - layout.verticalScrollbarWidth}px`;
    };
    layer.style.position = "absolute";
    place();
    const widget = { getId: () => "problem-note", getDomNode: () => layer, getPosition: () => null };
    editor.addOverlayWidget(widget);
    let id = "";
    editor.changeViewZones((zones) => {
      id = zones.addZone(zone);
    });
    const resized = new ResizeObserver(() => {
      const height = layer.offsetHeight;
      if (height === 0 || height === zone.heightInPx) return;
      zone.heightInPx = height;
      editor.changeViewZones((zones) => zones.layoutZone(id));
    });
    resized.observe(layer);
    const moved = editor.onDidLayoutChange(place);
    return () => {
      resized.disconnect();
      moved.dispose();
      editor.removeOverlayWidget(widget);
      editor.changeViewZones((zones) => zones.removeZone(id));
    };
  }, [editor, layer, line]);
  return createPortal(body, layer);
}
