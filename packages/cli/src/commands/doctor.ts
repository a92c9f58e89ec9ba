import { choosePrecision, type Device, openDevice, type SelfTestResult, selfTest } from "@node-bert/bert";
import type { Command } from "commander";
import { EXIT } from "../errors.js";
import { addOutputOptions } from "../options.js";
import { note, print, printJson, table } from "../output.js";
import { parseCount } from "../parse.js";

interface DoctorOptions {
  device: string;
  threads?: number;
  json?: boolean;
}

/** `bert doctor`: what this machine has, and every op computed on the device and compared with the float64 reference. */
export function addDoctorCommand(program: Command): Command {
  const command = program
    .command("doctor")
    .description("show devices, instruction sets and versions, and compute every op against the float64 reference")
    .option("--device <name>", "auto, cpu, reference or cuda:<number>", "auto")
    .option("--threads <n>", "CPU threads", parseCount)
    .action(runDoctor);
  return addOutputOptions(command);
}

/** What `--precision auto` takes here, and why. */
async function describeAutoPrecision(device: Device): Promise<string> {
  const { precision, reason } = await choosePrecision(device, "auto");
  return reason ?? `precision ${precision}: the device offers nothing to choose from`;
}

async function runDoctor(options: DoctorOptions): Promise<void> {
  using device = openDevice(options.device, { threads: options.threads });
  const machine = {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    device: device.name,
    ...device.info,
    precisionAuto: await describeAutoPrecision(device),
  };
  const report = await selfTest(device);
  if (!report.passed) process.exitCode = EXIT.failed;
  if (options.json) {
    await printJson({ machine, ...report });
    return;
  }
  await print(
    table(
      ["", ""],
      Object.entries(machine).map(([key, value]) => [key, Array.isArray(value) ? value.join(", ") : String(value)]),
    )
      .split("\n")
      .slice(2)
      .join("\n"),
  );
  const rows = report.results.map((result) => [
    result.op,
    result.dtype,
    result.shape,
    result.error.toExponential(1),
    result.tolerance.toExponential(1),
    result.passed ? "ok" : "FAILED",
  ]);
  await print(
    `\n${table(["op", "type", "case", "error", "allowed", ""], rows, ["left", "left", "left", "right", "right", "left"])}`,
  );
  const failed = report.results.filter((result: SelfTestResult) => !result.passed);
  for (const result of failed)
    note(`${result.op} (${result.dtype}, ${result.shape}): ${result.problem ?? "too far from the reference"}`);
  const verdict = failed.length === 0 ? "all agree with the float64 reference" : `${failed.length} failed`;
  await print(`\n${report.results.length} checks in ${(report.milliseconds / 1000).toFixed(1)} s: ${verdict}`);
}
