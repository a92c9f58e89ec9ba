// `reviews`: short film reviews written for this project, so that everything can be tried without a network.

import { fileURLToPath } from "node:url";
import { openFiles, type Splits } from "./local-source.js";

/** Name of the embedded dataset. */
export const EMBEDDED = "reviews";

/** Class names of the embedded dataset, index = class id. */
export const REVIEW_LABELS = ["neg", "pos"];

/** Splits train (300 rows) and test (200 rows). */
export function openReviews(): Promise<Splits> {
  const file = (split: string) => fileURLToPath(new URL(`../../data/reviews-${split}.jsonl`, import.meta.url));
  return openFiles({ train: file("train"), test: file("test") }, {});
}
