// sendfile(2), splice(2), tee(2) and vmsplice(2) against Linux 6.18: errors, offsets, pipes, files, streams and datagrams.
import { play_scenes } from "./socket_scenes.ts";

play_scenes("splice.txt");
