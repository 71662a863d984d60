// docs/labs/*.md show what the commands print today. To rewrite them: node --import tsx tools/lab-pages.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { labPages, renderPage } from "../lib/lab_pages.ts";

for (const page of labPages()) {
  test(`${basename(page)} shows what its commands print`, () => {
    const text = readFileSync(page, "utf8");
    assert.equal(renderPage(text), text, "run: node --import tsx tools/lab-pages.mjs");
  });
}
