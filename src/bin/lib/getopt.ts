// GNU getopt_long(3): clustered short options, long ones with unique abbreviations, permutation, glibc's messages.
// Read first: getopt(3). Way in: `const opts = getopt(argv, "c:nv", ["count:", "help"])`, then `opts.has("n")`.

/** Where getopt() leaves its table if the arguments have such a list: how completion learns a program's options. */
export const DECLARED: unique symbol = Symbol("declared options");
export type ProbingArgv = string[] & { [DECLARED]: string[] };

/** One option as met on the command line: "c" or "count", with its argument. */
export interface Option {
  name: string;
  value: string | undefined;
}

export interface Options {
  /** In command-line order, repeats included. Long options appear under their long name, or their alias. */
  list: Option[];
  /** What is left: argv without its name and options. */
  operands: string[];
  /** The first mistake, as glibc words it, without newline ("ping: invalid option -- 'z'"); undefined when there is none. */
  error: string | undefined;
  has(name: string): boolean;
  /** The argument of the last occurrence. */
  get(name: string): string | undefined;
  count(name: string): number;
}

/**
 * @param short as in getopt(3): "ab:c::" (b takes an argument, c may); a leading "+" stops at the first operand (for
 *   programs such as `xargs` or `timeout` whose operands are a command).
 * @param long "name", "name:" (argument), "name::" (may), each with an optional "=alias" ("count:=c" reports as "c").
 */
export function getopt(argv: readonly string[], short: string, long: readonly string[] = []): Options {
  (argv as Partial<ProbingArgv>)[DECLARED]?.push(
    ...short
      .replace(/[+:]/g, "")
      .split("")
      .map((c) => `-${c}`),
    ...long.map((l) => `--${/^[^:=]*/.exec(l)![0]}`),
  );
  const list: Option[] = [];
  const operands: string[] = [];
  const prog = argv[0] ?? "";
  const stopAtOperand = short.startsWith("+");
  let error: string | undefined;
  const fail = (text: string): number => {
    error ??= `${prog}: ${text}`;
    return 0;
  };

  let i = 1;
  for (; i < argv.length; i++) {
    const arg = argv[i];
    if (arg === "--") {
      i++;
      break;
    }
    if (arg.length < 2 || arg[0] !== "-") {
      if (stopAtOperand) break;
      operands.push(arg);
      continue;
    }
    if (arg.startsWith("--")) i += longOption(arg.slice(2), argv[i + 1]);
    else i += cluster(arg, argv[i + 1]);
  }
  operands.push(...argv.slice(i));
  return {
    list,
    operands,
    error,
    has: (name) => list.some((o) => o.name === name),
    get: (name) => list.findLast((o) => o.name === name)?.value,
    count: (name) => list.reduce((n, o) => n + (o.name === name ? 1 : 0), 0),
  };

  /** Returns how many further words it took. */
  function cluster(arg: string, following: string | undefined): number {
    for (let k = 1; k < arg.length; k++) {
      const c = arg[k];
      const at = c === ":" || c === "+" ? -1 : short.indexOf(c);
      if (at < 0) {
        fail(`invalid option -- '${c}'`);
        continue;
      }
      if (short[at + 1] !== ":") {
        list.push({ name: c, value: undefined });
        continue;
      }
      const rest = arg.slice(k + 1);
      if (rest !== "" || short[at + 2] === ":") {
        list.push({ name: c, value: rest === "" ? undefined : rest });
        return 0;
      }
      if (following === undefined) {
        fail(`option requires an argument -- '${c}'`);
        return 0;
      }
      list.push({ name: c, value: following });
      return 1;
    }
    return 0;
  }

  function longOption(text: string, following: string | undefined): number {
    const eq = text.indexOf("=");
    const given = eq < 0 ? text : text.slice(0, eq);
    const names = long.map((l) => /^[^:=]*/.exec(l)![0]);
    let at = names.indexOf(given);
    if (at < 0) {
      const matches = names.flatMap((n, k) => (n.startsWith(given) ? [k] : []));
      if (matches.length === 0) return fail(`unrecognized option '--${given}'`);
      if (matches.length > 1) {
        const possible = matches.map((k) => `'--${names[k]}'`).join(" ");
        return fail(`option '--${given}' is ambiguous; possibilities: ${possible}`);
      }
      at = matches[0];
    }
    const spec = long[at].slice(names[at].length);
    const name = spec.includes("=") ? spec.slice(spec.indexOf("=") + 1) : names[at];
    if (!spec.startsWith(":")) {
      if (eq >= 0) fail(`option '--${names[at]}' doesn't allow an argument`);
      else list.push({ name, value: undefined });
      return 0;
    }
    if (eq >= 0) list.push({ name, value: text.slice(eq + 1) });
    else if (spec.startsWith("::")) list.push({ name, value: undefined });
    else if (following === undefined) fail(`option '--${names[at]}' requires an argument`);
    else {
      list.push({ name, value: following });
      return 1;
    }
    return 0;
  }
}
