import { usePlayground } from "../shell/context.tsx";
import { MiniAxis } from "../time-axis/MiniAxis.tsx";
import { Clock, SpeedPicker, TransportButtons, WhereWords } from "../time-axis/Transport.tsx";

/** Transport at the thumb: the clock beside it, the CPUs as thin lines below. */
export function Dock() {
  const time = usePlayground((s) => s.view.view === "time");
  return (
    <footer className="ndock">
      <div className="ntr">
        <TransportButtons short />
        <span className="sp" />
        <SpeedPicker short />
        <Clock />
      </div>
      {time ? (
        <div className="nwords">
          <WhereWords />
        </div>
      ) : (
        <MiniAxis />
      )}
    </footer>
  );
}
