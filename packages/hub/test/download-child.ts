// A process of its own that downloads one file; see sharing.test.ts.
import { downloadFile } from "../src/index.js";

await downloadFile({ type: "dataset", name: "owner/rows" }, "train.bin");
