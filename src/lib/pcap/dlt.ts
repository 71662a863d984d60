// Link-layer types of captures: the DLT_/LINKTYPE_ numbers of the classic pcap and pcapng file formats that we handle.

export const DLT_NULL = 0;
export const DLT_EN10MB = 1;
/** Raw IP as captures say it in memory on Linux; files say LINKTYPE_RAW. */
export const DLT_RAW = 12;
export const LINKTYPE_RAW = 101;
export const DLT_LINUX_SLL = 113;
export const DLT_LINUX_SLL2 = 276;

/** What tcpdump calls them: "link-type EN10MB (Ethernet)". */
export const dlt_name = (dlt: number): { name: string; description: string } | undefined => {
  switch (dlt) {
    case DLT_NULL:
      return { name: "NULL", description: "BSD loopback" };
    case DLT_EN10MB:
      return { name: "EN10MB", description: "Ethernet" };
    case DLT_RAW:
    case LINKTYPE_RAW:
      return { name: "RAW", description: "Raw IP" };
    case DLT_LINUX_SLL:
      return { name: "LINUX_SLL", description: "Linux cooked v1" };
    case DLT_LINUX_SLL2:
      return { name: "LINUX_SLL2", description: "Linux cooked v2" };
    default:
      return undefined;
  }
};

export const SLL_HDR_LEN = 16;
export const SLL2_HDR_LEN = 20;
