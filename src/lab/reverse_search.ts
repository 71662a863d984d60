// Ctrl-R in Node's line editor, as in bash: "(reverse-i-search)`ping': ping -c 1 10.0.2.2". Node has it for its REPL only.
// Way in: `new ReverseSearch(rl, own)`; while `prompt` is not null it stands in place of the shell's.

import type { Interface, Key } from "node:readline";

/** What of readline is used beyond its types; node:repl replaces _ttyWrite in the same way. */
type Editor = Interface & {
  history: string[];
  line: string;
  cursor: number;
  _ttyWrite(text: string | undefined, key: Key): void;
};

export class ReverseSearch {
  /** Shown in front of the line while a search goes on. */
  prompt: string | null = null;
  private readonly rl: Editor;
  private query = "";
  /** Place in the history, newest first. */
  private at = 0;
  private before = { line: "", cursor: 0, prompt: "" };

  /** @param own takes keys that are not the editor's: true when it did. */
  constructor(rl: Interface, own: (text: string | undefined) => boolean) {
    this.rl = rl as Editor;
    const write = this.rl._ttyWrite.bind(rl);
    this.rl._ttyWrite = (text, key) => {
      if (!own(text) && !this.key(text, key)) write(text, key);
    };
  }

  /** True when the key was the search's own. */
  private key(text: string | undefined, key: Key): boolean {
    if (this.prompt === null) {
      if (!key.ctrl || key.name !== "r") return false;
      this.before = { line: this.rl.line, cursor: this.rl.cursor, prompt: this.rl.getPrompt() };
      this.query = "";
      this.at = 0;
      this.show(false);
      return true;
    }
    if (key.ctrl && key.name === "r") this.find(this.at + 1);
    else if (key.name === "backspace") {
      this.query = this.query.slice(0, -1);
      this.find(0);
    } else if (key.ctrl && key.name === "g") this.end(this.before);
    else if (text !== undefined && !key.ctrl && !key.meta && /^[^\p{Cc}]+$/u.test(text)) {
      this.query += text;
      this.find(this.at);
    } else {
      // Enter, an arrow, Ctrl-C and the like take the line as it is.
      this.end({ ...this.before, line: this.rl.line, cursor: this.rl.cursor });
      return key.name === "escape";
    }
    return true;
  }

  private find(from: number): void {
    const at = this.query === "" ? -1 : this.rl.history.findIndex((l, i) => i >= from && l.includes(this.query));
    if (at >= 0) {
      this.at = at;
      this.rl.line = this.rl.history[at];
      this.rl.cursor = this.rl.line.indexOf(this.query);
    }
    this.show(at < 0 && this.query !== "");
  }

  private show(failed: boolean): void {
    this.prompt = `(${failed ? "failed " : ""}reverse-i-search)\`${this.query}': `;
    this.rl.setPrompt(this.prompt);
    this.rl.prompt(true);
  }

  private end(to: { line: string; cursor: number; prompt: string }): void {
    this.prompt = null;
    this.rl.line = to.line;
    this.rl.cursor = to.cursor;
    this.rl.setPrompt(to.prompt);
    this.rl.prompt(true);
  }
}
