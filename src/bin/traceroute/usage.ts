// What `traceroute --help` prints.

export const HELP = ``;

export const VERSION =
  "Modern traceroute for Linux, version 2.1.2\nCopyright (c) 2016  Dmitry Butskoy,   License: GPL v2 or any later\n";
