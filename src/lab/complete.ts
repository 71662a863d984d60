// Completion at a lab's prompt: programs, hosts, interfaces, paths, and what a program's own usage says of its arguments
// (usage.ts). Pure: knows a machine by a few questions. Way in: `complete(line, context)`.

import { keywordsIn, type Usage } from "./usage.ts";

export interface CompletionContext {
  /** Programs and builtins of the machine. */
  commands(): string[];
  hosts(): string[];
  interfaces(): string[];
  /** Names in a folder ("" is the working folder), folders with a "/" at the end; null when there is none. */
  folder(path: string): string[] | null;
  /** What the program argv[0] prints and declares for these arguments; null when there is none of that name. */
  usage(argv: readonly string[]): Usage | null;
}

export interface Completion {
  /** Whole words that could stand in place of `word`. */
  candidates: string[];
  word: string;
}

/** Commands of the prompt itself. */
const PROMPT_COMMANDS: readonly string[] = ["connect", "hosts"];

/** A word after which an interface follows, in all programs. */
const BEFORE_INTERFACE = ["dev", "iif", "oif", "master"];
/** What usages call an interface. */
const INTERFACE = String.raw`(?:IFNAME|DEVNAME|DEVICE|DEV|interface|iface|ifname|device|if)\b`;
/** Programs whose usage is a grammar of words, asked for with `PROGRAM OBJECT help`. */
const WORDY: ReadonlySet<string> = new Set(["ip", "tc"]);

const escape = (text: string): string => text.replace(/[^\w]/g, "\\$&");

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
  if (word.startsWith("-")) return pick(context.usage([name, "--help"])?.options ?? []);
  if (BEFORE_INTERFACE.includes(last)) return pick(context.interfaces());
  if (WORDY.has(name)) return pick(wordyArguments(name, before.slice(1), context));
  const help = context.usage([name, "--help"])?.text ?? "";
  if (takesInterface(help, last)) return pick(context.interfaces());
  const values = valuesOf(optionSection(help, before), last);
  if (values.length > 0) return pick(values);
  if (
    ["cat", "ls", "cd", "rm", "cp", "mv", "head", "tail", "grep", "source", ".", "sh", "mkdir", "touch", "wc"].includes(
      name,
    )
  ) {
    return paths(word, context);
  }
  const settings = settingsOf(optionSection(help, before));
  if (settings.length > 0) return pick(settings);
  // An interface is what `ethtool` and `ifconfig` are about.
  if (new RegExp(`^\\s*${escape(name)}\\b(?: *\\[[^\\]]*\\])* +<?${INTERFACE}`, "m").test(help))
    return pick(context.interfaces());
  return pick([...context.hosts(), ...context.interfaces(), ...(context.folder("") ?? [])]);
}

/** `ip ad`, `ip addr sh`, `ip addr show d`: objects, then verbs, then the words of the object's usage. */
function wordyArguments(name: string, args: readonly string[], context: CompletionContext): string[] {
  const words = args.filter((w) => !w.startsWith("-"));
  if (words.length === 0) {
    const all = /OBJECT := \{([^}]*)\}/.exec(context.usage([name, "help"])?.text ?? "")?.[1] ?? "";
    // Others are named as iproute2 names them, but do nothing here.
    const known = (o: string): boolean => /^\s*usage/i.test(context.usage([name, o, "help"])?.text ?? "");
    return ["help", ...all.split(/[|\s]+/).filter((o) => o !== "" && known(o))];
  }
  const text = context.usage([name, words[0], "help"])?.text ?? "";
  if (words.length === 1) return ["help", ...verbsIn(name, text)];
  const last = words[words.length - 1];
  const values = valuesOf(text, last);
  if (values.length > 0) return values;
  const group = new RegExp(`(?<![\\w-])${escape(last)} \\{ ([A-Z][^}]*)\\}`).exec(text)?.[1];
  if (group !== undefined)
    return [...keywordsIn(group), ...(new RegExp(`\\b${INTERFACE}`).test(group) ? context.interfaces() : [])];
  const placeholder = new RegExp(`(?<![\\w-])${escape(last)} (?:\\[ [A-Z]+ \\] )?([A-Z][A-Z_-]+)`).exec(text)?.[1];
  if (placeholder !== undefined) return new RegExp(`^${INTERFACE}$`).test(placeholder) ? context.interfaces() : [];
  return [...keywordsIn(text).filter((k) => k !== name), ...context.interfaces()];
}

/** What may follow "ip address" in its usage: "{add|change}", "[ show", "del". */
function verbsIn(name: string, text: string): string[] {
  const groups = text.matchAll(
    new RegExp(`^(?:Usage:)?\\s*(?:\\.\\.\\. \\| )?${name} +(?:\\[[^\\]]*\\] +)?[a-z]+ +([[{]?[^\\]}]*)`, "gm"),
  );
  return [...groups].flatMap(([, g]) =>
    /^[[{]/.test(g)
      ? (/^. *([a-z]+(?: *\| *[a-z]+)*)/.exec(g)?.[1].split(/ *\| */) ?? [])
      : (/^[a-z]+/.exec(g)?.slice(0, 1) ?? []),
  );
}

/** Whether an interface follows this option: "-I <interface>", "-s|--change DEVNAME", "-i, --interface=device". */
function takesInterface(help: string, option: string): boolean {
  if (!option.startsWith("-")) return false;
  return new RegExp(`(?<![\\w-])${escape(option)}(?:[|,= ]+-[-\\w]+)*[= ]*[[<]?${INTERFACE}`).test(help);
}

/** The lines of a usage that belong to the first option on the command line: from its own to the next program line. */
function optionSection(help: string, before: readonly string[]): string {
  const option = before.find((w) => w.startsWith("-"));
  if (option === undefined) return "";
  const lines = help.split("\n");
  const program = new RegExp(`^\\s*${escape(before[0])}\\b`);
  const first = lines.findIndex((l) => program.test(l) && new RegExp(`(?<![\\w-])${escape(option)}(?![\\w-])`).test(l));
  if (first < 0) return "";
  const next = lines.findIndex((l, i) => i > first && program.test(l));
  return lines.slice(first + 1, next < 0 ? lines.length : next).join("\n");
}

/** "[ rx N ]", "[adaptive-rx on|off]": the settings of an option. */
function settingsOf(section: string): string[] {
  return [...section.matchAll(/^\s*\[\s*([a-z][\w-]*)/gm)].map((m) => m[1]);
}

/** "duplex half|full", "arp { on | off }": the values of a setting. */
function valuesOf(text: string, setting: string): string[] {
  const list = /^[a-z]/.test(setting)
    ? new RegExp(`(?<![\\w-])${escape(setting)} (?:\\{ *)?([a-z][\\w-]*(?: *\\| *[a-z][\\w-]*)+)`).exec(text)?.[1]
    : undefined;
  return list?.split(/ *\| */) ?? [];
}

function paths(word: string, context: CompletionContext): Completion {
  const slash = word.lastIndexOf("/");
  const folder = word.slice(0, slash + 1);
  const start = word.slice(slash + 1);
  const names = context.folder(folder) ?? [];
  const visible = names.filter((n) => n.startsWith(start) && (start !== "" || !n.startsWith(".")));
  return { candidates: visible.map((n) => folder + n).sort(), word };
}
