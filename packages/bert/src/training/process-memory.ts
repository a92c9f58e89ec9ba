import { readFileSync } from "node:fs";

/** Most memory the process ever had resident, in bytes. */
export function peakResidentBytes(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (line !== null) return Number(line[1]) * 1024;
  } catch {
    // Only Linux has /proc; getrusage knows the same figure elsewhere.
  }
  return process.resourceUsage().maxRSS * 1024;
}
