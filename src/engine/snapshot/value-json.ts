import type { DecodedValue } from "./types.ts";

/**
 * A decoded value as JSON: integers beyond 2^53 and pointers as text, char arrays that hold a text as text, unnamed members as
 * members of their parent.
 */
export function valueJson(value: DecodedValue): unknown {
  switch (value.kind) {
    case "scalar": {
      if (value.text === "true" || value.text === "false") return value.text === "true";
      const number = /^-?\d/.test(value.text) && !value.text.startsWith("0x") ? Number(value.text) : Number.NaN;
      return Number.isFinite(number) && (Number.isSafeInteger(number) || value.text.includes("."))
        ? number
        : value.text;
    }
    case "struct": {
      const object: Record<string, unknown> = {};
      for (const { name, value: member } of value.members) {
        const json = valueJson(member);
        if (name !== "") object[name] = json;
        else if (typeof json === "object" && json !== null) Object.assign(object, json);
      }
      return object;
    }
    case "array":
      return value.text ?? value.items.map(valueJson);
    case "timer":
      return { timer: value.state };
    case "work":
      return { work: value.state };
    case "spin-lock":
      return { locked: value.locked };
    case "object":
      return value.label;
    case "bytes":
      return `hex:${value.hex}`;
  }
}
