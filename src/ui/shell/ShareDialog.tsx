import { useEffect, useState } from "react";
import { Dialog } from "../controls/Dialog.tsx";
import { Icon } from "../controls/Icon.tsx";
import { formatNumber } from "../text/format.ts";
import { useActions, usePlayground } from "./context.tsx";
import { liveCommands } from "./live-commands.ts";
import { saveFile } from "./save-file.ts";

type Link = { readonly url: string; readonly length: number };

/** Chat programs cut links somewhere between 2,000 and 4,000 characters. */
const LONG = 2000;

export function ShareDialog() {
  const actions = useActions();
  const hasObject = usePlayground((s) => s.build.object !== null || s.source.object !== null);
  const live = usePlayground((s) => liveCommands(s.run.script));
  const [link, setLink] = useState<Link | { readonly failed: string } | null>(null);
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");

  useEffect(() => {
    let live = true;
    actions.share().then(
      (made) => live && setLink(made),
      (error: unknown) =>
        live && setLink({ failed: error instanceof Error ? error.message : "The link could not be made." }),
    );
    return () => {
      live = false;
    };
  }, [actions]);

  const copy = (url: string) =>
    navigator.clipboard.writeText(url).then(
      () => setCopied("yes"),
      () => setCopied("failed"),
    );

  const made = link !== null && !("failed" in link) ? link : null;
  const failed = link !== null && "failed" in link ? link.failed : null;
  return (
    <Dialog title="Share" onClose={() => actions.setView({ dialog: "none" })}>
      <p className="t2">The link holds program, script, settings and versions. Nothing is sent to a server.</p>
      <p style={{ margin: "10px 0 6px" }}>
        <textarea
          className="urlbox"
          readOnly
          aria-label="Link"
          value={made?.url ?? failed ?? "Making the link…"}
          onFocus={(event) => event.currentTarget.select()}
        />
      </p>
      <div className="row">
        <button
          type="button"
          className="ctl primary"
          data-autofocus
          disabled={!made}
          onClick={() => made && void copy(made.url)}
        >
          <Icon name={copied === "yes" ? "check" : "copy"} />
          {copied === "yes" ? "Copied" : "Copy link"}
        </button>
        <button
          type="button"
          className="ctl"
          onClick={() => {
            const file = actions.downloadSnippet();
            saveFile(file.name, file.text, "application/json");
          }}
        >
          <Icon name="file" />
          Snippet file
        </button>
        <button
          type="button"
          className="ctl"
          disabled={!hasObject}
          title={hasObject ? "The compiled object, as Linux loads it" : "Compile first"}
          onClick={() => {
            const file = actions.downloadObject();
            if (file) saveFile(file.name, file.bytes as Uint8Array<ArrayBuffer>, "application/octet-stream");
          }}
        >
          <Icon name="download" />
          Object file
        </button>
        <span className="sp" />
        <span className="t2 num" role="status">
          {copied === "failed"
            ? "The browser refused; select and copy"
            : made
              ? `${formatNumber(made.length)} characters`
              : ""}
        </span>
      </div>
      {live > 0 ? (
        <p className="t2" style={{ marginTop: 12 }}>
          {live === 1 ? "A command that was given live is" : `${live} commands that were given live are`} not part of
          the link.{" "}
          <button
            type="button"
            className="mini"
            onClick={() => {
              actions.keepLiveCommands();
              actions.setView({ dialog: "none", file: "script" });
            }}
          >
            Add to script.user first
          </button>
        </p>
      ) : null}
      {made && made.length > LONG ? (
        <p className="t2" style={{ marginTop: 12 }}>
          Some chat programs cut links of this length. The snippet file holds the same: drop it on the page to open it.
        </p>
      ) : null}
    </Dialog>
  );
}
