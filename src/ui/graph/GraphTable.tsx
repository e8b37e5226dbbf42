import { Empty } from "../controls/Panel.tsx";
import { useActions, useNames, usePlayground } from "../shell/context.tsx";

const RELATION = { holds: "holds", user: "holds as user", points: "points at", owns: "contains" } as const;
const SHOWN = 500;

/** The reference graph in words. */
export function GraphTable() {
  const graph = usePlayground((s) => s.run.snapshot?.graph ?? null);
  const names = useNames();
  const actions = useActions();
  if (!graph || graph.nodes.length === 0)
    return (
      <Empty title="Nobody holds anything">
        <p>Load a program to see who holds it.</p>
      </Empty>
    );
  const byId = new Map(graph.nodes.map((n) => [n.id, n]));
  const leaked = new Set(graph.leaks.flat());
  const label = (id: string) => {
    const node = byId.get(id);
    const owner = node?.parent ? byId.get(node.parent) : undefined;
    if (node?.kind === "fd") return `${owner?.label ?? "process"} fd ${node.label.replace(/^fd /, "")}`;
    if (node?.kind === "pin") return `pin ${node.detail}`;
    return names.node(id);
  };
  return (
    <div className="tablewrap scroll">
      <table>
        <caption className="sr">Who holds whom</caption>
        <thead>
          <tr>
            <th scope="col">Holder</th>
            <th scope="col">Relation</th>
            <th scope="col">Object</th>
            <th scope="col" className="n">
              References
            </th>
            <th scope="col" className="n">
              Users
            </th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {graph.edges.slice(0, SHOWN).map((edge) => {
            const target = byId.get(edge.to);
            return (
              <tr key={edge.id}>
                <td>
                  <code>{label(edge.from)}</code>
                </td>
                <td className="t2">{RELATION[edge.kind]}</td>
                <td>
                  <button type="button" className="lnk" onClick={() => actions.setView({ selectedNode: edge.to })}>
                    <code>{label(edge.to)}</code>
                  </button>
                </td>
                <td className="n">{target?.refs ?? ""}</td>
                <td className="n">{target?.users ?? ""}</td>
                <td className={leaked.has(edge.to) ? "c-bad" : "t2"}>
                  {leaked.has(edge.to) ? "leaked" : (target?.state ?? "")}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {graph.edges.length > SHOWN ? <p className="t3 more">and {graph.edges.length - SHOWN} more</p> : null}
    </div>
  );
}
