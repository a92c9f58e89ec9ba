// The process as a shell sees it: pipes, full disks and Ctrl-C.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { BINARY, makeFolder, reviews, runBert, TINY } from "./support/run-bert.js";

const cwd = makeFolder({ "rows.jsonl": reviews(64) });
const shell = (line: string) =>
  spawnSync("bash", ["-c", line], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, BERT: `${process.execPath} ${BINARY}`, TINY, NODE_BERT_THREADS: "1" },
  });

test("a pipe that is closed early is no failure", (t) => {
  const result = shell(`$BERT tokenize --model $TINY --file rows.jsonl --json | head -c 5; echo " \${PIPESTATUS[0]}"`);
  t.is(result.stdout, '{"row 0\n');
  t.is(result.stderr, "");
  const both = shell(`$BERT predict --model $TINY --file rows.jsonl 2>&1 | true; echo "\${PIPESTATUS[0]}"`);
  t.is(both.stdout, "0\n");
});

test("a full disk under stdout is said", (t) => {
  if (!existsSync("/dev/full")) {
    t.log("SKIPPED: this system has no /dev/full");
    t.pass();
    return;
  }
  const result = shell("$BERT predict --model $TINY --text good > /dev/full");
  t.is(result.status, 1);
  t.regex(result.stderr, /bert: ENOSPC/);
  t.notRegex(result.stderr, /\n\s+at /);
});

test("a full disk under the output is said with the file's name, and what was there stays", (t) => {
  shell("echo old > f.safetensors");
  const features = shell(
    "ulimit -f 1; $BERT features --model $TINY --dataset rows.jsonl --output f.safetensors --quiet",
  );
  t.is(features.status, 1, features.stderr);
  t.regex(features.stderr, /bert: f\.safetensors: could not be written .*what was there before is untouched/);
  t.is(shell("cat f.safetensors; ls | grep partial").stdout, "old\n");
  const compare = shell(
    "ulimit -f 1; $BERT compare --model $TINY --dataset rows.jsonl --output full --epochs 1 --quiet",
  );
  t.is(compare.status, 1, compare.stderr);
  t.regex(compare.stderr, /bert: full\/metrics\.jsonl\.partial: could not be written/);
});

test("help and version go to stdout with exit code 0", async (t) => {
  for (const args of [["--help"], ["--version"], ["finetune", "--help"], ["help", "compare"]]) {
    const { code, stdout, stderr } = await runBert(args);
    t.is(code, 0);
    t.not(stdout, "");
    t.is(stderr, "");
  }
});

test("Ctrl-C during finetune keeps the model and the log, and says so", async (t) => {
  let sent = false;
  const args = ["finetune", "--model", TINY, "--dataset", "rows.jsonl", "--output", "stopped", "--epochs", "100000"];
  const { code, stdout, stderr } = await runBert([...args, "--json"], {
    cwd,
    onStderr(said, child) {
      if (sent || !said.includes("parameters are trained")) return;
      sent = true;
      setTimeout(() => child.kill("SIGINT"), 300);
    },
  });
  t.is(code, 130, stderr);
  t.is(stdout, "");
  t.regex(stderr, /interrupted after \d+ steps; the model as it was then, and the log, are in stopped/);
  for (const file of ["model.safetensors", "config.json", "metrics.jsonl", "run.json"])
    t.true(existsSync(join(cwd, "stopped", file)), file);
  const after = await runBert(["predict", "--model", "stopped", "--text", "good"], { cwd });
  t.is(after.code, 0, after.stderr);
});

test("Ctrl-C during compare keeps the methods that were finished", async (t) => {
  let sent = false;
  const args = ["compare", "--model", TINY, "--dataset", "rows.jsonl", "--output", "halted", "--epochs", "100000"];
  const { code, stdout, stderr } = await runBert([...args, "--json"], {
    cwd,
    onStderr(said, child) {
      if (sent || !said.includes("parameters are trained")) return;
      sent = true;
      setTimeout(() => child.kill("SIGINT"), 300);
    },
  });
  t.is(code, 130, stderr);
  t.is(stdout, "");
  t.regex(stderr, /interrupted; what was finished \(untrained, probe\) is in halted/);
  t.true(existsSync(join(cwd, "halted", "run.json")));
});
