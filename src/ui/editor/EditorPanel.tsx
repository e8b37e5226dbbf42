import { lazy, Suspense, useMemo, useRef } from "react";
import type { FileName, PlaygroundState } from "../../store/types.ts";
import { Icon } from "../controls/Icon.tsx";
import { Empty, MaximiseButton, moveBetweenTabs } from "../controls/Panel.tsx";
import { useActions, useMediaQuery, usePlayground, useReadState } from "../shell/context.tsx";
import { formatBytes } from "../text/format.ts";
import { bandsOf } from "../verify/bands.ts";
import { type AssemblyText, assemblyOf, isAssembly } from "./assembly.ts";
import { FILE_LABELS, type LineMarks, programMarks, runningLines, scriptMarks, withBands } from "./marks.ts";
import { type ObjectNames, objectNames, sameNames } from "./object-names.ts";
import { PlainEditor } from "./PlainEditor.tsx";
import { ProblemNote } from "./ProblemNote.tsx";
import { coverageOf, lineOfInsn, type Problem, problemsOf, verdictOf } from "./problems.ts";
import type { LanguageName } from "./tokens.ts";

const CodeEditor = lazy(() => import("./CodeEditor.tsx").then((module) => ({ default: module.CodeEditor })));

type FileId = FileName | "assembly";
const FILES: readonly FileId[] = ["program", "script", "assembly"];

/** Language of a tab; the program's own file may be C or assembly. */
function languageOf(file: FileId, name: string): LanguageName {
  if (file === "script") return "bpf-script";
  return file === "assembly" || isAssembly(name) ? "bpf-asm" : "bpf-c";
}
const NO_MARKS: LineMarks = { gutter: new Map(), tint: new Map(), after: new Map() };

function useStableNames(source: string): ObjectNames {
  const report = usePlayground((s) => s.build.report);
  const kept = useRef<ObjectNames | null>(null);
  return useMemo(() => {
    const names = objectNames(source, report);
    if (kept.current && sameNames(kept.current, names)) return kept.current;
    kept.current = names;
    return names;
  }, [source, report]);
}

export function useProblems(): readonly Problem[] {
  const report = usePlayground((s) => s.build.report);
  const program = usePlayground((s) => s.source.program);
  return useMemo(() => problemsOf(report, program), [report, program]);
}

function useMarks(file: FileId, problems: readonly Problem[]): LineMarks {
  const report = usePlayground((s) => s.build.report);
  // As text, so that a moment in which other things moved changes no mark.
  const running = usePlayground((s) => runningLines(s.run.snapshot));
  const script = usePlayground((s) => s.run.script);
  const last = usePlayground((s) => s.run.events[s.run.position - 1] ?? null);
  const inspected = usePlayground((s) => (s.view.view === "verify" ? (s.verifier?.program ?? null) : null));
  const coverage = useMemo(() => coverageOf(report), [report]);
  const verifying = usePlayground((s) => s.view.view === "verify");
  const program = report?.ok ? (report.programs.find((p) => p.name === inspected) ?? report.programs[0]) : undefined;
  const bands = useMemo(() => (verifying && program ? bandsOf(program) : null), [verifying, program]);
  return useMemo(() => {
    if (file === "script") return scriptMarks(script, problems);
    if (file === "assembly") return NO_MARKS;
    if (bands) return withBands(programMarks(coverage, problems, "", null), bands);
    return programMarks(coverage, problems, running, last);
  }, [file, coverage, problems, running, last, script, bands]);
}

/** The note to open: the problem at the cursor, else the first that stops the build. */
function useOpenProblem(problems: readonly Problem[]): Problem | null {
  const cursor = usePlayground((s) => s.view.cursorLine);
  return (
    problems.find((p) => p.file === "program" && p.line > 0 && p.line === cursor) ??
    problems.find((p) => p.file === "program" && p.line > 0 && p.kind !== "warning") ??
    null
  );
}

/** First instruction of a line in the program looked at, else in any. */
function firstInsnOf(state: PlaygroundState, line: number): { program: string; insn: number } | null {
  const programs = state.build.report?.ok ? state.build.report.programs : [];
  const first = programs.find((p) => p.name === state.verifier?.program);
  for (const program of first ? [first, ...programs] : programs) {
    const at = program.disassembly.find((d) => d.line === line && !/\.h$/.test(d.file));
    if (at) return { program: program.name, insn: at.insn };
  }
  return null;
}

/** The line that the rest of the page speaks of: of the instruction looked at, or the one that runs. */
function useFocusLine(): number | null {
  const verifying = usePlayground((s) => s.view.view === "verify");
  const selected = usePlayground((s) => s.view.selectedInsn);
  const report = usePlayground((s) => s.build.report);
  const running = usePlayground((s) =>
    s.run.status === "running"
      ? null
      : (s.run.snapshot?.cpus.find((cpu) => cpu.running !== null)?.running?.line ?? null),
  );
  return useMemo(() => {
    if (!verifying) return running === 0 ? null : running;
    const programs = report?.ok ? report.programs : [];
    const program = programs.find((p) => p.name === selected?.program) ?? programs.find((p) => p.verdict === "reject");
    if (!program) return null;
    const line = lineOfInsn(program, selected?.insn ?? program.rejection?.insn ?? null);
    return line > 0 ? line : null;
  }, [verifying, selected, report, running]);
}

/** Lines of a tab where the run stops; null for the script, which has none. */
function useStopLines(file: FileId, assembly: AssemblyText): readonly number[] | null {
  const breakpoints = usePlayground((s) => s.view.stops.breakpoints);
  return useMemo(() => {
    if (file === "script") return null;
    if (file === "program") return breakpoints.flatMap((b) => (b.kind === "line" ? [b.line] : []));
    return assembly.lines.flatMap((at, i) =>
      at && breakpoints.some((b) => b.kind === "insn" && b.program === at.program && b.insn === at.insn) ? [i + 1] : [],
    );
  }, [file, assembly, breakpoints]);
}

export function FileTabs() {
  const file = usePlayground((s) => s.view.file);
  const object = usePlayground((s) => s.source.object?.name ?? null);
  const name = usePlayground((s) => s.source.file);
  const actions = useActions();
  return (
    <div role="tablist" aria-label="Files" onKeyDown={moveBetweenTabs}>
      {FILES.map((id) => (
        <button
          key={id}
          type="button"
          role="tab"
          aria-selected={id === file}
          tabIndex={id === file ? 0 : -1}
          onClick={() => actions.setView({ file: id, cursorLine: null })}
        >
          {id === "program" ? (object ?? name) : FILE_LABELS[id]}
        </button>
      ))}
    </div>
  );
}

export function VerdictChip() {
  const build = usePlayground((s) => s.build);
  const expectations = usePlayground((s) => s.run.script.expectations);
  const file = usePlayground((s) => s.view.file);
  const problems = useProblems();
  if (file === "script" && expectations.length > 0) {
    const failed = expectations.filter((e) => !e.ok).length;
    return failed > 0 ? (
      <span className="chip bad">
        <Icon name="cross" />
        {failed === 1 ? "1 expectation fails" : `${failed} expectations fail`}
      </span>
    ) : (
      <span className="chip good">
        <Icon name="check" />
        All expectations hold
      </span>
    );
  }
  const verdict = verdictOf(build, problems);
  if (!verdict) return null;
  return (
    <span className={verdict.tone === "plain" ? "chip" : `chip ${verdict.tone}`}>
      <Icon name={verdict.icon} />
      <span className="words">{verdict.text}</span>
    </span>
  );
}

/** The compiler on its way: bytes, what works meanwhile, and a way out. */
function DownloadNote() {
  const phase = usePlayground((s) => s.build.phase);
  const download = usePlayground((s) => s.build.download);
  const actions = useActions();
  if (phase !== "loading-compiler" || !download) return null;
  const share = download.total > 0 ? Math.round((100 * download.received) / download.total) : null;
  return (
    <div className="dlnote" role="group" aria-label="Compiler download">
      <div className="dlrow">
        <b>Fetching the compiler</b>
        <span className="num">{share === null ? "" : `${share} %`}</span>
      </div>
      <div
        className="pgb"
        role="progressbar"
        aria-label="Compiler download"
        aria-valuemin={0}
        aria-valuemax={100}
        {...(share === null ? {} : { "aria-valuenow": share })}
      >
        <i style={{ width: `${share ?? 0}%` }} />
      </div>
      <div className="dlrow">
        <span className="t2">
          {formatBytes(download.received)}
          {download.total > 0 ? ` of ${formatBytes(download.total)}` : ""}. Demos run without it; your edits compile as
          soon as it is here.
        </span>
        <button type="button" className="mini" onClick={() => actions.cancelBuild()}>
          Cancel
        </button>
      </div>
    </div>
  );
}

/** Tabs, verdict and the text itself. */
export function EditorPanel({ compact }: { readonly compact?: boolean }) {
  const maximised = usePlayground((s) => s.view.maximised === "editor");
  return (
    <section className="panel" data-panel="editor" data-max={maximised} aria-label="Source">
      <div className="tabs">
        <FileTabs />
        <span className="r">
          <VerdictChip />
          <MaximiseButton panel="editor" title="the editor" />
        </span>
      </div>
      <EditorBody compact={compact === true} />
    </section>
  );
}

export function EditorBody({ compact, plain }: { readonly compact?: boolean; readonly plain?: boolean }) {
  const file = usePlayground((s) => s.view.file);
  const view = usePlayground((s) => s.view.view);
  const source = usePlayground((s) => s.source);
  const report = usePlayground((s) => s.build.report);
  const theme = usePlayground((s) => s.view.theme);
  const systemDark = useMediaQuery("(prefers-color-scheme: dark)");
  const actions = useActions();
  const read = useReadState();
  const names = useStableNames(source.program);
  const problems = useProblems();
  const marks = useMarks(file, problems);
  const open = useOpenProblem(problems);
  const focusLine = useFocusLine();
  const assembly = useMemo(() => assemblyOf(report), [report]);
  const stops = useStopLines(file, assembly);
  const onStop = (line: number) => {
    const at = assembly.lines[line - 1];
    if (file === "program") actions.toggleBreakpoint({ kind: "line", line });
    else if (file === "assembly" && at) actions.toggleBreakpoint({ kind: "insn", program: at.program, insn: at.insn });
  };
  const unplaced = file === "program" ? problems.filter((p) => p.line === 0 && p.kind !== "warning") : [];

  const text = file === "program" ? source.program : file === "script" ? source.script : assembly.text;
  const label =
    file === "program"
      ? isAssembly(source.file)
        ? "Assembly source"
        : "C source"
      : file === "script"
        ? "User-space script"
        : "Assembly of the build, read only";
  const onEdit = (value: string) => {
    if (file === "program") actions.editProgram(value);
    else if (file === "script") actions.editScript(value);
  };
  const onCursor = (line: number, chosen: boolean) => {
    if (file === "program") {
      const insn = chosen && view === "verify" ? firstInsnOf(read(), line) : null;
      actions.setView({ cursorLine: line, ...(insn ? { selectedInsn: insn } : {}) });
    } else if (file === "assembly") {
      const at = assembly.lines[line - 1];
      if (at) actions.setView({ selectedInsn: { program: at.program, insn: at.insn } });
    }
  };
  // The Verify view has its own card for the refusal; the note would say it twice.
  const noted = file === "program" && view !== "verify" ? open : null;

  if (file === "program" && source.object)
    return (
      <>
        {problems.length > 0 ? (
          <div className="notes">
            {problems.slice(0, 3).map((p) => (
              <ProblemNote key={`${p.program}${p.title}`} problem={p} />
            ))}
          </div>
        ) : null}
        <div className="pb">
          <Empty
            title={problems.some((p) => p.kind === "error") ? source.object.name : `${source.object.name} is loaded`}
          >
            <p>An object carries no C source. Its instructions are under Assembly.</p>
            <div className="row">
              <button type="button" className="mini" onClick={() => actions.editProgram(source.program)}>
                Back to the source
              </button>
            </div>
          </Empty>
        </div>
      </>
    );
  if (file === "assembly" && assembly.text === "")
    return (
      <div className="pb">
        <Empty title="No instructions yet">
          <p>They appear here once the program compiles.</p>
        </Empty>
      </div>
    );
  const plainEditor = (
    <PlainEditor
      language={languageOf(file, source.file)}
      text={text}
      names={names}
      marks={marks}
      stops={stops}
      label={label}
      readOnly={file === "assembly"}
      onEdit={onEdit}
      onCursor={onCursor}
    />
  );
  const body = plain ? (
    plainEditor
  ) : (
    <Suspense fallback={plainEditor}>
      <CodeEditor
        file={file}
        language={languageOf(file, source.file)}
        text={text}
        readOnly={file === "assembly"}
        label={`${label}. Control M changes whether Tab leaves the editor.`}
        fontSize={compact ? 12 : 12.5}
        names={names}
        problems={problems}
        marks={marks}
        stops={stops}
        build={report}
        focusLine={file === "program" ? focusLine : null}
        dark={theme === "dark" || (theme === "system" && systemDark)}
        note={noted ? { line: noted.line, body: <ProblemNote problem={noted} /> } : null}
        onEdit={onEdit}
        onStop={onStop}
        onCursor={onCursor}
      />
    </Suspense>
  );
  return (
    <>
      <DownloadNote />
      {unplaced.length > 0 || (plain && noted) ? (
        <div className="notes">
          {unplaced.slice(0, 1).map((p) => (
            <ProblemNote key={p.title} problem={p} />
          ))}
          {plain && noted ? <ProblemNote problem={noted} /> : null}
        </div>
      ) : null}
      <div className="pb">
        {body}
        {text === "" && file === "program" ? (
          <div className="hintline t3">Type a program, or pick a demo</div>
        ) : text === "" && file === "script" ? (
          <div className="hintline t3">What user space does: prog run, map update, advance, expect</div>
        ) : null}
      </div>
    </>
  );
}
