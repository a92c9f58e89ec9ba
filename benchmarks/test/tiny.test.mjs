// What is written of benchmarks/tiny says what was measured, and what was not.
import test from "ava";
import { CASES, renderModelCard, renderPage } from "../tiny/render.mjs";

const measured = {
  name: "tiny-2000",
  accuracy: 0.8125,
  interval: [0.807, 0.8171],
  trainingSeconds: 61.2,
  seconds: 140.4,
  threads: 2,
  fingerprint: { cpu: "a processor", instructionSets: ["avx2"], cores: 2, commit: "abc" },
};

test("a case that was not measured says so; one that was has its interval, time and machine", (t) => {
  const page = renderPage([measured]);
  t.is(page.split("not measured").length - 1, Object.keys(CASES).length - 1);
  t.regex(
    page,
    /full fine-tuning, 3 epochs \| tiny, pretrained \| 2,000 \| 81\.[23] \(80\.7–81\.7\) \| 61 s .* 140 s in all, 2 threads/,
  );
  t.regex(page, /Measured on a processor \(avx2\), 2 cores, commit abc/);
});

test("the card's table is replaced, and nothing else of it; a card without marks is refused", (t) => {
  const card = "before\n<!-- benchmarks/tiny: begin -->\nold\n<!-- benchmarks/tiny: end -->\nafter\n";
  const once = renderModelCard(card, [measured]);
  t.regex(once, /^before\n[\s\S]*81\.[23][\s\S]*\nafter\n$/);
  t.false(once.includes("old"));
  t.is(renderModelCard(once, [measured]), once);
  t.throws(() => renderModelCard("no marks", []), { message: /begin/ });
});

test("both starts are given the same rows and settings", (t) => {
  for (const rows of [2000, 25_000]) t.deepEqual(CASES[`tiny-${rows}`].settings, CASES[`random-${rows}`].settings);
});
