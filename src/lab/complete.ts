// Completion at a lab's prompt: programs, hosts, interfaces, paths, and the words of `ip`. Pure: knows a machine by a few questions.
// Way in: `complete(line, context)`.

export interface CompletionContext {
  /** Programs and builtins of the machine. */
  commands(): string[];
  hosts(): string[];
  interfaces(): string[];
  /** Names in a folder ("" is the working folder), folders with a "/" at the end; null when there is none. */
  folder(path: string): string[] | null;
}

export interface Completion {
  /** Whole words that could stand in place of `word`. */
  candidates: string[];
  word: string;
}

/** Commands of the prompt itself. */
export const PROMPT_COMMANDS: readonly string[] = ["connect", "hosts"];

const IP_OBJECTS = ["address", "link", "maddress", "monitor", "neigh", "netns", "nexthop", "ntable", "route", "rule"];
const IP_VERBS = ["add", "append", "change", "delete", "flush", "get", "list", "replace", "set", "show"];
/** A word after which an interface follows. */
const BEFORE_INTERFACE = ["dev", "-i", "-I", "iif", "oif", "ifconfig", "ethtool"];

export function complete(line: string, context: CompletionContext): Completion {
  // Only the last command of a pipeline or list counts.
  const command = /(?:^|[|;&({`])([^|;&({`]*)$/.exec(line)?.[1] ?? line;
  const words = command.replace(/^(?:\s|(?:then|do|else|elif|if|while|until|time|!)\s)+/, "").split(/\s+/);
  const word = words[words.length - 1];
  const before = words.slice(0, -1).filter((w) => !/^\w+=/.test(w));
  const pick = (from: readonly string[], prefix = ""): Completion => ({
    candidates: [...new Set(from)]
      .map((c) => prefix + c)
      .filter((c) => c.startsWith(word))
      .sort(),
    word,
  });
  if (word.startsWith("@")) return pick(context.hosts(), "@");
  if (before.length === 0) {
    if (word.includes("/")) return paths(word, context);
    return pick([...context.commands(), ...PROMPT_COMMANDS]);
  }
  const name = before[0];
  const last = before[before.length - 1];
  if (name === "connect") return pick(context.hosts());
  if (/^[0-9]*[<>]+$/.test(last)) return paths(word, context);
  if (word.includes("/") || word.startsWith(".") || word.startsWith("~")) return paths(word, context);
  if (BEFORE_INTERFACE.includes(last)) return pick(context.interfaces());
  if (name === "ip" || name === "tc") {
    const position = before.filter((w) => !w.startsWith("-")).length;
    if (name === "ip" && position === 1) return pick(IP_OBJECTS);
    if (position === 2) return pick(IP_VERBS);
    return pick([...context.interfaces(), ...["dev", "via", "table", "up", "down", "mtu"]]);
  }
  if (
    ["cat", "ls", "cd", "rm", "cp", "mv", "head", "tail", "grep", "source", ".", "sh", "mkdir", "touch", "wc"].includes(
      name,
    )
  ) {
    return paths(word, context);
  }
  return pick([...context.hosts(), ...context.interfaces(), ...(context.folder("") ?? [])]);
}

function paths(word: string, context: CompletionContext): Completion {
  const slash = word.lastIndexOf("/");
  const folder = word.slice(0, slash + 1);
  const start = word.slice(slash + 1);
  const names = context.folder(folder) ?? [];
  const visible = names.filter((n) => n.startsWith(start) && (start !== "" || !n.startsWith(".")));
  return { candidates: visible.map((n) => folder + n).sort(), word };
}
