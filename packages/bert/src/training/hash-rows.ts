import { createHash } from "node:crypto";
import type { EncodedRows } from "./rows.js";

/** SHA-256 of what a model sees of rows: ids, types, lengths and, unless left out, labels. Hexadecimal. */
export function hashRows(rows: EncodedRows, options: { labels: boolean }): string {
  const hash = createHash("sha256");
  const parts = [rows.cuSeqlens, rows.inputIds, rows.tokenTypeIds, ...(options.labels ? [rows.labels] : [])];
  for (const part of parts) {
    hash.update(`${part?.length ?? -1};`);
    if (part !== undefined) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
  return hash.digest("hex");
}
