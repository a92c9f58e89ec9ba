import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const index = new URL("../../src/index.ts", import.meta.url).href;
const PROGRAM = `
import(${JSON.stringify(index)}).then(({ openDevice }) => {
  try {
    const device = openDevice(process.env.WANTED);
    console.log(device.name);
    device.dispose();
  } catch (error) {
    console.log(error.constructor.name, error.code, error.message);
  }
});`;

/** Opens a device in a process of its own, which prints its name, or what went wrong. @param cache folder of verdicts */
export function openInProcess(wanted: string, cache: string, env: Record<string, string>) {
  const child = spawnSync(process.execPath, ["--import", "tsx", "-e", PROGRAM], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    encoding: "utf8",
    env: { ...process.env, NODE_BERT_CACHE: cache, WANTED: wanted, ...env },
  });
  return { out: child.stdout.trim(), err: child.stderr.trim(), status: child.status };
}
