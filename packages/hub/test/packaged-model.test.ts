// Models that come as npm packages.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import test from "ava";
import { resolveModelFolder } from "../src/index.js";
import { packagedModelFolder } from "../src/packaged-model.js";

const source = fileURLToPath(new URL("../src/", import.meta.url));

test("tiny is the folder of its package", async (t) => {
  const folder = fileURLToPath(new URL("../../tiny", import.meta.url));
  t.is(await resolveModelFolder("tiny"), folder);
  t.is(packagedModelFolder("constructor"), undefined);
});

test("it is found beside the program that asks, and said how to install when it is nowhere", (t) => {
  const cwd = mkdtempSync(join(tmpdir(), "hub-packaged-"));
  t.teardown(() => rmSync(cwd, { recursive: true }));
  for (const file of ["packaged-model.ts", "errors.ts"]) cpSync(join(source, file), join(cwd, "lib", file));
  writeFileSync(join(cwd, "lib", "package.json"), '{"type":"module"}');
  writeFileSync(
    join(cwd, "lib", "main.ts"),
    'import { packagedModelFolder } from "./packaged-model.js";\nconsole.log(packagedModelFolder(process.argv[2]!));\n',
  );
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const { NODE_PATH: _, ...env } = process.env;
  const run = () =>
    spawnSync(process.execPath, [`--import=${tsx}`, join(cwd, "lib", "main.ts"), "tiny"], {
      cwd,
      env,
      encoding: "utf8",
    });
  const missing = run();
  t.is(missing.status, 1);
  t.regex(missing.stderr, /tiny: the package @node-bert\/tiny is not installed\. Add it: npm install @node-bert\/tiny/);
  const installed = join(cwd, "node_modules", "@node-bert", "tiny");
  mkdirSync(installed, { recursive: true });
  writeFileSync(
    join(installed, "package.json"),
    '{"name":"@node-bert/tiny","exports":{"./package.json":"./package.json"}}',
  );
  t.is(run().stdout.trim(), installed);
});
