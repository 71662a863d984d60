// iperf3's errors: the numbers that its server sends, and their words, as iperf3 3.12 prints each of them.
// Way in: new IperfError(code, errno), message(error).

import { strerror } from "../../uapi/errno.ts";

export const IELISTEN = 102;
export const IECONNECT = 103;
export const IEACCEPT = 104;
export const IESENDCOOKIE = 105;
export const IERECVCOOKIE = 106;
export const IECTRLWRITE = 107;
export const IECTRLREAD = 108;
export const IECTRLCLOSE = 109;
export const IEMESSAGE = 110;
export const IESENDPARAMS = 113;
export const IERECVPARAMS = 114;
export const IESENDRESULTS = 116;
export const IERECVRESULTS = 117;
export const IECLIENTTERM = 119;
export const IESERVERTERM = 120;
export const IEACCESSDENIED = 121;
export const IESETNODELAY = 122;
export const IESETMSS = 123;
export const IESETBUF = 124;
export const IESETTOS = 125;
export const IEAFFINITY = 132;
export const IEDAEMON = 133;
export const IESETCONGESTION = 134;
export const IEPIDFILE = 135;
export const IESETPACING = 140;
export const IEBINDDEV = 143;
export const IERCVTIMEOUT = 144;
export const IESETDONTFRAGMENT = 145;
export const IESETUSERTIMEOUT = 148;
export const IECREATESTREAM = 200;
export const IESTREAMLISTEN = 202;
export const IESTREAMCONNECT = 203;
export const IESTREAMACCEPT = 204;
export const IESTREAMWRITE = 205;
export const IESTREAMREAD = 206;
/** Not sent: the log cannot be opened. */
export const IELOGFILE = -1;

/** With a colon at the end errno follows. */
const WORDS: Readonly<Record<number, string>> = {
  [-1]: "unable to open log file:",
  100: "unable to create a new test:",
  101: "test initialization failed:",
  102: "unable to start listener for connections:",
  103: "unable to connect to server:",
  104: "unable to accept connection from client:",
  105: "unable to send cookie to server:",
  106: "unable to receive cookie at server:",
  107: "unable to write to the control socket:",
  108: "unable to read from the control socket:",
  109: "control socket has closed unexpectedly",
  110: "received an unknown control message",
  111: "unable to send control message:",
  112: "unable to receive control message:",
  113: "unable to send parameters to server:",
  114: "unable to receive parameters from client:",
  115: "unable to package results:",
  116: "unable to send results:",
  117: "unable to receive results:",
  118: "select failed:",
  119: "the client has terminated",
  120: "the server has terminated",
  121: "the server is busy running a test. try again later",
  122: "unable to set TCP/SCTP NODELAY:",
  123: "unable to set TCP/SCTP MSS:",
  124: "unable to set socket buffer size:",
  125: "unable to set IP TOS:",
  126: "unable to set IPv6 traffic class:",
  127: "unable to set IPv6 flow label",
  128: "unable to reuse address on socket:",
  129: "unable to set socket to non-blocking:",
  130: "unable to set socket window size:",
  131: "protocol does not exist",
  132: "unable to set CPU affinity:",
  133: "unable to become a daemon:",
  134: "unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host",
  135: "unable to write PID file:",
  136: "Unable to set/reset IPV6_V6ONLY:",
  140: "unable to set socket pacing:",
  141: "socket buffer size not set correctly",
  142: "test authorization failed",
  143: "Unable to bind-to-device (check perror, maybe permissions?)",
  144: "idle timeout for receiving data",
  145: "unable to set IP Do-Not-Fragment flag",
  148: "unable to set TCP/SCTP MSS:",
  200: "unable to create a new stream:",
  201: "unable to initialize stream:",
  202: "unable to start stream listener:",
  203: "unable to connect stream:",
  204: "unable to accept stream connection:",
  205: "unable to write to stream socket:",
  206: "unable to read from stream socket:",
  207: "stream socket has closed unexpectedly",
  208: "stream has an invalid id",
  300: "unable to create new timer:",
  301: "unable to update timer:",
};

export class IperfError {
  readonly code: number;
  readonly errno: number;
  /** The peer knows already: it told us, or it is gone. */
  readonly remote: boolean;
  /** Instead of errno's words. */
  readonly detail: string;
  constructor(code: number, errno = 0, remote = false, detail = "") {
    this.code = code;
    this.errno = errno;
    this.remote = remote;
    this.detail = detail;
  }
}

/** "unable to connect to server: Connection refused". */
export function message(e: IperfError): string {
  const words = WORDS[e.code] ?? `int_errno=${e.code}:`;
  return words.endsWith(":") ? `${words} ${e.detail || strerror(e.errno)}` : words;
}
