// System calls of sockets against Linux 6.18: errors, addresses, states, binding conflicts.
import { play_scenes } from "./socket_scenes.ts";

play_scenes("sockets.txt");
play_scenes("timestamping.txt");
play_scenes("tcp.txt");
play_scenes("zerocopy.txt");
