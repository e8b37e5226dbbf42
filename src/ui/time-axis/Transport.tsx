import type { StopReport, Watch } from "../../protocol/engine-types.ts";
import { Chevron, Icon, type IconName } from "../controls/Icon.tsx";
import { MenuButton } from "../controls/Menu.tsx";
import { setPanelState } from "../panels/panel-state.ts";
import { useActions, usePlayground, useReadState } from "../shell/context.tsx";
import { previousExpiry } from "../shell/keyboard.ts";
import { formatClock, formatSpan, formatSpeed } from "../text/format.ts";
import { keyFromHex } from "../text/names.ts";

const SPEEDS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

export function TransportButton(props: {
  readonly icon: IconName;
  readonly label: string;
  readonly className?: string;
  readonly disabled: boolean;
  readonly onClick: () => void;
}) {
  return (
    <button
      type="button"
      className={`tb ${props.className ?? ""}`}
      aria-label={props.label}
      title={props.label}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

/** Back, run or pause, on: disabled at the ends of the recording, never hidden. */
export function TransportButtons({ short }: { readonly short?: boolean }) {
  const status = usePlayground((s) => s.run.status);
  const position = usePlayground((s) => s.run.position);
  const count = usePlayground((s) => s.run.events.length);
  const read = useReadState();
  const actions = useActions();
  const none = status === "none";
  const over = (status === "ended" || status === "oops") && position >= count;
  const running = status === "running";
  return (
    <>
      {short ? null : (
        <TransportButton
          icon="previous"
          label="Previous expiry ( [ )"
          disabled={none || position === 0}
          onClick={() => actions.seek(previousExpiry(read()))}
        />
      )}
      <TransportButton
        icon="back"
        label="One event back (Shift F10)"
        disabled={none || position === 0}
        onClick={() => actions.stepEvent(-1)}
      />
      <TransportButton
        icon={running ? "pause" : "run"}
        label={running ? "Pause" : over ? "Run again from the start" : "Run"}
        className="play"
        disabled={none}
        onClick={() => (running ? actions.pause() : over ? actions.restart() : actions.play())}
      />
      <TransportButton
        icon="forward"
        label="One event on (F10)"
        disabled={none || over}
        onClick={() => actions.stepEvent(1)}
      />
      <TransportButton
        icon="next"
        label="Next expiry ( ] )"
        disabled={none || over}
        onClick={() => actions.nextTimer()}
      />
    </>
  );
}

export function Clock() {
  const now = usePlayground((s) => s.run.snapshot?.now ?? 0);
  const clock = formatClock(now);
  return (
    <>
      <span className="now" role="timer" aria-label="Virtual time">
        {clock.text}
      </span>
      <span className="u">{clock.unit}</span>
    </>
  );
}

export function SpeedPicker({ short }: { readonly short?: boolean }) {
  const speed = usePlayground((s) => s.run.speed);
  const actions = useActions();
  return (
    <MenuButton
      label={`Speed: ${formatSpeed(speed)}`}
      kind="options"
      className="mini"
      items={SPEEDS.map((ns) => ({
        id: String(ns),
        label: formatSpeed(ns),
        text: formatSpeed(ns),
        checked: ns === speed,
      }))}
      onChoose={(id) => actions.setSpeed(Number(id))}
    >
      {short ? `${formatSpan(speed)}/s` : formatSpeed(speed)}
      <Chevron />
    </MenuButton>
  );
}

/** Longer values are read in their own panels. */
const MAX_VALUE = 20;

const watchLabel = (watch: Watch): string =>
  watch.kind === "register"
    ? `r${watch.register}`
    : `${watch.map}[${keyFromHex(watch.key)}]${watch.member === "" ? "" : `.${watch.member}`}`;

function StoppedWords({ stopped }: { readonly stopped: StopReport }) {
  const { place, cpu, watch, from, to } = stopped;
  const short = (from?.length ?? 0) <= MAX_VALUE && (to?.length ?? 0) <= MAX_VALUE;
  return (
    <span className="u where stopped" role="status">
      {watch === null ? null : (
        <>
          <code>{watchLabel(watch)}</code> {short ? `${from ?? "absent"} → ${to ?? "absent"}` : "changed"}.{" "}
        </>
      )}
      {place === null ? (
        "Stopped"
      ) : (
        <>
          Stopped at {place.line > 0 ? `line ${place.line}` : `instruction ${place.insn}`} of{" "}
          <code>{place.functionName}</code>
          {cpu === null ? "" : `, CPU ${cpu}`}
        </>
      )}
    </span>
  );
}

/** Where the machine stands, in words. */
export function WhereWords() {
  const cpus = usePlayground((s) => s.run.snapshot?.cpus ?? null);
  const status = usePlayground((s) => s.run.status);
  const stopped = usePlayground((s) => s.run.stopped);
  const busy = cpus?.find((c) => c.running !== null);
  if (stopped) return <StoppedWords stopped={stopped} />;
  if (busy?.running)
    return (
      <span className="u where">
        {busy.running.line > 0 ? `Line ${busy.running.line} of ` : "In "}
        <code>{busy.running.functionName}</code>, CPU {busy.id}
      </span>
    );
  if (status === "ended") return <span className="u where">The script is over; nothing more is due</span>;
  return null;
}

export function Transport({ detailed }: { readonly detailed: boolean }) {
  const jiffies = usePlayground((s) => s.run.snapshot?.jiffies ?? null);
  const following = usePlayground((s) => s.run.following);
  const none = usePlayground((s) => s.run.status === "none");
  const actions = useActions();
  return (
    <>
      <TransportButtons />
      <Clock />
      {jiffies === null ? null : (
        <span className="u jif">
          <span className="vr" />
          jiffy {jiffies}
          <span className="vr" />
        </span>
      )}
      <SpeedPicker />
      {following ? null : (
        <button type="button" className="mini" onClick={() => actions.followNow()}>
          Follow now
        </button>
      )}
      {detailed ? (
        <>
          <button
            type="button"
            className="mini"
            disabled={none}
            title="One instruction (F11)"
            onClick={() => {
              setPanelState({ moment: "registers" });
              actions.stepInstruction();
            }}
          >
            Instruction
          </button>
          <WhereWords />
        </>
      ) : (
        <StoppedHere />
      )}
    </>
  );
}

/** In views that do not tell every place: only where a breakpoint, watch or pause has stopped the run within a program. */
function StoppedHere() {
  const stopped = usePlayground((s) => s.run.stopped);
  const paused = usePlayground((s) => s.run.status === "paused" && s.run.following);
  const busy = usePlayground((s) => s.run.snapshot?.cpus.find((c) => c.running !== null) ?? null);
  if (stopped) return <StoppedWords stopped={stopped} />;
  if (!paused || !busy?.running) return null;
  const { line, insn, functionName } = busy.running;
  return (
    <span className="u where stopped" role="status">
      Paused at {line > 0 ? `line ${line}` : `instruction ${insn}`} of <code>{functionName}</code>, CPU {busy.id}
    </span>
  );
}
