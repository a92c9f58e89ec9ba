import { createHash, type Hash } from "node:crypto";
import type { Row } from "./table.js";

/**
 * Content hash of values: equal for equal contents, whatever file, object or process they came from.
 * Every value carries its type and length, so ["ab", "c"] and ["a", "bc"] differ.
 */
export class Fingerprint {
  private readonly hash: Hash = createHash("sha256");
  private pending = "";

  add(value: unknown): this {
    if (typeof value === "string") this.pending += `s${value.length}:${value}`;
    else if (typeof value === "bigint") this.pending += `n${value};`;
    else if (typeof value === "number" || typeof value === "boolean" || value === null || value === undefined) {
      this.pending += `n${Object.is(value, -0) ? "-0" : value};`;
    } else if (value instanceof Uint8Array) {
      this.flush();
      this.hash.update(`b${value.length}:`).update(value);
    } else if (value instanceof Date) this.pending += `d${value.getTime()};`;
    else if (Array.isArray(value)) {
      this.pending += `a${value.length}:`;
      for (const item of value) this.add(item);
    } else {
      const object = value as Row;
      const keys = Object.keys(object).sort();
      this.pending += `o${keys.length}:`;
      for (const key of keys) this.add(key).add(object[key]);
    }
    // Hashing in pieces of some size is several times faster than value by value.
    if (this.pending.length > 65_536) this.flush();
    return this;
  }

  /** Hex sha256 of what was added. */
  digest(): string {
    this.flush();
    return this.hash.digest("hex");
  }

  private flush(): void {
    // UTF-16 keeps lone surrogates apart, which UTF-8 would all turn into U+FFFD.
    this.hash.update(this.pending, "utf16le");
    this.pending = "";
  }
}
