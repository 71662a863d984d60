// `import { Lab, loadTopology, openLab } from "skbuff/lab"`.

export { formatDiagnostic } from "./diagnostics.ts";
export { nodeTree, openLab } from "./fs_node.ts";
export { type ExecResult, Lab, LabError, LabHost, type LabOptions, simLabWorld, traceAll } from "./lab.ts";
export { loadTopology, type Topology } from "./topology.ts";
export { memoryTree } from "./tree.ts";
