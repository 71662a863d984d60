// UDP through system calls against Linux 6.18: peers, errors, peeking, corking, control messages, options.
import { play_scenes } from "../socket_scenes.ts";

play_scenes("udp.txt");
