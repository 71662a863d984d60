// Protocols that are lines of text: HTTP, FTP, SMTP, SSH's first line. Way in: print_text_protocol.

import { g8, has, type Printer, trunc } from "./printer.ts";

const HTTP = new Set(
  "GET HEAD PUT POST DELETE OPTIONS TRACE CONNECT PATCH HTTP/0.9 HTTP/1.0 HTTP/1.1 HTTP/2".split(" "),
);
const FTP = new Set(
  (
    "ACCT APPE CWD DELE HELP LIST LPRT LPSV MKD NLST NOOP PASS PASV PORT PWD QUIT REST RETR RMD RNFR RNTO SITE SIZE SYST " +
    "TYPE USER STOR ABOR CDUP EPRT EPSV FEAT MDTM MODE OPTS STAT STOU STRU"
  ).split(" "),
);
const SMTP = new Set("DATA EHLO EXPN HELO HELP MAIL NOOP QUIT RCPT RSET VRFY".split(" "));

const COMMANDS = { http: HTTP, ftp: FTP, smtp: SMTP } as const;

export type TextProtocol = keyof typeof COMMANDS;

const is_blank = (c: number): boolean => c === 32 || c === 9 || c === 10 || c === 13;

/** The word at `at`, and where the next one starts. */
const token = (p: Printer, at: number, end: number): { word: string; next: number } => {
  let i = at;
  let word = "";
  while (i < end && !is_blank(g8(p, i))) {
    const c = g8(p, i++);
    if (c < 32 || c > 126) return { word: "", next: i };
    word += String.fromCharCode(c);
  }
  while (i < end && (g8(p, i) === 32 || g8(p, i) === 9)) i++;
  return { word, next: i };
};

const is_code = (word: string): boolean => /^\d{3}$/.test(word);

/** A line from `at`: its text, where the next one starts, and whether it has an end within the bytes. */
const line = (p: Printer, at: number, end: number): { text: string; next: number; whole: boolean } | undefined => {
  let text = "";
  for (let i = at; i < end; i++) {
    const c = g8(p, i);
    if (c === 10) return { text, next: i + 1, whole: true };
    if (c === 13 && i + 1 < end && g8(p, i + 1) === 10) return { text, next: i + 2, whole: true };
    if ((c < 32 && c !== 9) || c > 126) return undefined;
    text += String.fromCharCode(c);
  }
  return { text, next: end, whole: false };
};

export const print_text_protocol = (p: Printer, at: number, len: number, proto: TextProtocol): undefined => {
  const name = proto.toUpperCase();
  const end = Math.min(at + len, p.end);
  const first = token(p, at, end);
  // HTTP says its status code after the version, the others start with it.
  const known =
    COMMANDS[proto].has(first.word.toUpperCase()) || (proto !== "http" && is_code(first.word.replace(/-.*/, "")));
  p.out += p.v > 0 && known ? ` ${name}, length: ${len}` : ` ${name}`;
  if (!known) return;
  const cut = !has(p, at, len);
  for (let i = at; i < end; ) {
    const l = line(p, i, end);
    if (!l) return;
    if (!l.whole && cut) return trunc(p, proto);
    p.out += (p.v > 0 ? "\n\t" : ": ") + l.text;
    if (!l.whole) return trunc(p, proto);
    if (p.v === 0) return;
    i = l.next;
  }
  if (cut) trunc(p, proto);
};

/** SSH: the version line; the rest is not for reading. */
export const print_ssh = (p: Printer, at: number, len: number): undefined => {
  const end = Math.min(at + len, p.end);
  const l = line(p, at, end);
  if (!l || !l.text.startsWith("SSH-")) return;
  if (!l.whole && !has(p, at, len)) return trunc(p, "ssh");
  p.out += `: SSH: ${l.text}`;
};
