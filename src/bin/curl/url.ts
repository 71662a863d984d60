// A URL as curl takes it, and the encodings of requests. Read first: RFC 3986, RFC 4648 section 4. Way in: parseUrl().

export interface Url {
  host: string;
  port: number;
  /** Path and query, as sent. */
  path: string;
  /** user:password in front of the host. */
  user: string | undefined;
  text: string;
}

/** A URL, or curl's error: its number and text. */
export function parseUrl(text: string, base?: Url): Url | readonly [number, string] {
  if (base !== undefined && !/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return parseUrl(relative(text, base));
  if (/[\s\0-\x1f]/.test(text)) return [3, "URL using bad/illegal format or missing URL"];
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1].toLowerCase();
  if (scheme !== undefined && scheme !== "http")
    return [1, `Protocol "${scheme}" not supported or disabled in libcurl`];
  const m = /^(?:http:\/\/+)?(?:([^@/?#]*)@)?([^:/?#]*)(?::(\d*))?([/?][^#]*)?/i.exec(text);
  if (m === null || m[2] === "") return [3, "URL using bad/illegal format or missing URL"];
  const port = m[3] === undefined || m[3] === "" ? 80 : Number(m[3]);
  if (port > 65535) return [3, "URL using bad/illegal format or missing URL"];
  const path = m[4] === undefined ? "/" : m[4].startsWith("/") ? m[4] : `/${m[4]}`;
  const shown = `${m[2]}${m[3] === undefined || m[3] === "" ? "" : `:${m[3]}`}`;
  return { host: m[2], port, path, user: m[1], text: `http://${shown}${path}` };
}

/** RFC 3986 section 5.2, as far as a Location needs it. */
function relative(ref: string, base: Url): string {
  const root = `http://${base.host}${base.port === 80 ? "" : `:${base.port}`}`;
  if (ref.startsWith("//")) return `http:${ref}`;
  const [path = "", query] = [ref.replace(/\?.*$/s, ""), /\?.*$/s.exec(ref)?.[0] ?? ""];
  const from = path.startsWith("/") ? "" : base.path.replace(/[?#].*$/, "").replace(/[^/]*$/, "");
  const out: string[] = [];
  const parts = `${from}${path}`.split("/").slice(1);
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    if (part === "..") out.pop();
    if (part !== "." && part !== "..") out.push(part);
    else if (last) out.push("");
  });
  return `${root}/${out.join("/")}${query}`;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
export function base64(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const n = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const four = [18, 12, 6, 0].map((s) => DIGITS[(n >> s) & 63]).join("");
    const rest = bytes.length - i;
    out += rest >= 3 ? four : four.slice(0, rest + 1).padEnd(4, "=");
  }
  return out;
}

/** A form's encoding: a space is a plus, the unreserved characters stay. */
export const percent = (bytes: Uint8Array): string =>
  Array.from(bytes, (b) => {
    const c = String.fromCharCode(b);
    return c === " " ? "+" : /[A-Za-z0-9\-._~]/.test(c) ? c : `%${b.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
