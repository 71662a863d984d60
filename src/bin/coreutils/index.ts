// The small programs by name, for the machine's table of programs.

import type { Program } from "../../uapi/sys.ts";
import { dd } from "./dd.ts";
import { basename, chmod, cp, dirname, ls, mkdir, mv, readlink, rm, rmdir, touch } from "./files.ts";
import { cut, sort, tr, uniq } from "./filter.ts";
import { grep } from "./grep.ts";
import {
  clear,
  date,
  echo,
  falseProgram,
  id,
  nproc,
  printf,
  pwd,
  test,
  trueProgram,
  uname,
  which,
  whoami,
} from "./info.ts";
import { env, kill, nohup, sleep, time, timeout, watch, xargs } from "./process.ts";
import { sed } from "./sed.ts";
import { cat, head, seq, tail, tee, wc, yes } from "./text.ts";

export const coreutils: Readonly<Record<string, Program>> = {
  "[": test,
  basename,
  cat,
  chmod,
  chown: chmod,
  clear,
  cp,
  cut,
  date,
  dd,
  dirname,
  echo,
  egrep: grep,
  env,
  false: falseProgram,
  fgrep: grep,
  grep,
  head,
  id,
  kill,
  ls,
  mkdir,
  mv,
  nohup,
  nproc,
  printf,
  pwd,
  readlink,
  rm,
  rmdir,
  sed,
  seq,
  sleep,
  sort,
  tail,
  tee,
  test,
  time,
  timeout,
  touch,
  tr,
  true: trueProgram,
  uname,
  uniq,
  watch,
  wc,
  which,
  whoami,
  xargs,
  yes,
};
