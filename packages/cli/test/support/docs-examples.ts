// Finds the examples of the documentation and makes modules of them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** What examples take as given. */
const GIVEN: Readonly<Record<string, string>> = {
  model: 'const model = await BertForSequenceClassification.fromPretrained("models/bert", { numLabels: 2 });',
  tokenizer: 'const tokenizer = await BertTokenizer.fromPretrained("models/bert");',
  texts: 'const texts = ["a good film", "a bad film", "good", "bad"];',
  train: 'const train = await loadDataset("train.jsonl", { split: "train[:16]" });',
  test: 'const test = await loadDataset("train.jsonl", { split: "train[16:]" });',
  args: "const args = { epochs: 1 };",
  trainer: "const trainer = new Trainer({ model, tokenizer, args, train, test });",
  device: 'const device = openDevice("cpu");',
  x: "const x = device.tensor(new Float32Array(8).fill(1), [2, 4]);",
  weight: "const weight = device.tensor(new Float32Array(12), [3, 4]); weight.requiresGrad = true;",
  bias: "const bias = device.tensor(new Float32Array(3), [3]); bias.requiresGrad = true;",
  labels: "const labels = device.tensor(new Int32Array([0, 2]), [2]);",
};

/** A piece of documentation that is a program, and where it begins. */
export interface Example {
  place: string;
  code: string;
}

/** Of the READMEs, of docs/ and of the doc comments of the packages. */
export function findExamples(root: string): Example[] {
  const docs = existsSync(join(root, "docs")) ? readdirSync(join(root, "docs")).map((name) => join("docs", name)) : [];
  const readmes = [
    "README.md",
    ...readdirSync(join(root, "packages")).map((name) => join("packages", name, "README.md")),
  ];
  const sources = readdirSync(join(root, "packages")).flatMap((name) => {
    const folder = join(root, "packages", name, "src");
    const files = existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]) : [];
    return files.map((file) => relative(root, join(folder, file)));
  });
  const all = [...readmes, ...docs.sort(), ...sources.sort()].filter((file) => existsSync(join(root, file)));
  return all.flatMap((file) => {
    if (!/\.(md|ts)$/.test(file)) return [];
    const text = readFileSync(join(root, file), "utf8");
    const pattern = file.endsWith(".md") ? /^```ts\n(.*?)^```/gms : /@example\s(.*?)(?=\*\/|^\s*\* @)/gms;
    return Array.from(text.matchAll(pattern), ({ 1: code, index }) => ({
      place: `${file}:${text.slice(0, index).split("\n").length}`,
      code: file.endsWith(".md") ? code : code.replace(/^\s*\* ?/gm, "").trim(),
    }));
  });
}

/** A module of an example: with imports and what it takes as given, unless it is a program; values in comments become comparisons. */
export function asModule(code: string, packageOf: ReadonlyMap<string, string>): string {
  const values = code.replace(/^(?!const |using |for )(.+?);? +\/\/ (.+)$/gm, (line, expression, said) => {
    const value = said.replace(/^\w+Array /, "");
    const compared = expression.replace(/^console\.log\((.+)\)$/, "$1");
    return /^["[\d]/.test(value) ? `same(${compared}, ${value});` : line;
  });
  const body = `import { same } from "./same.mjs";\n${values}\nexport {};\n`;
  if (/^import /m.test(code)) return body;
  const given: string[] = [];
  const known = new Set(
    Array.from(code.matchAll(/\b(?:const|using) (\w+|[{[].*?[}\]]) (?:=|of)/g)).flatMap(
      ([, names]) => names.match(/\w+/g) ?? [],
    ),
  );
  const imports = new Set<string>();
  const need = (text: string) => {
    for (const [name] of text.replace(/\/\/.*|"[^"]*"/g, "").matchAll(/(?<![\w.])[A-Za-z]\w*/g)) {
      if (known.has(name)) continue;
      known.add(name);
      if (name in GIVEN) {
        need(GIVEN[name]);
        given.push(GIVEN[name]);
      } else if (packageOf.has(name)) imports.add(`import { ${name} } from "@node-bert/${packageOf.get(name)}";`);
    }
  };
  need(code);
  return [...imports, ...given, body].join("\n");
}
