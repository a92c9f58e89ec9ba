// A batch that several threads encode: its parts, who has which, and the whole that they are put together to. The whole lies in
// shared memory: once the sizes of all parts before it are known, each part is copied into its place by the thread that encoded it.

import { TokenizerError } from "../errors.js";
import { badOption } from "./bad-option.js";
import type { BertTokenizer } from "./bert-tokenizer.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import {
  type BatchEncoding,
  emptyColumns,
  PackedBuilder,
  type PackedSize,
  type Place,
  placeColumns,
} from "./packed-encoding.js";
import { takePart } from "./pool-messages.js";
import type { PoolThread } from "./pool-thread.js";
import type { SpareColumns } from "./spare-columns.js";

/** Characters of a part: about a millisecond of work, against which sending it costs little. */
const MOST_OF_PART = 1 << 17;
/** Parts get smaller towards the end, so that all threads end together; but not smaller than this. */
const LEAST_OF_PART = 1 << 14;
/** Requests that a thread is sent ahead, so that it never waits for this one while that is busy. */
const MOST_AHEAD = 8;
/** Room is made for this many times what is expected: the rest is never touched, so it costs nothing. */
const MARGIN = 1.1;

interface Part {
  texts: Texts;
  firstText: number;
  /** Characters and texts of the batch to its end. */
  end: number;
}

/** A part that is encoded. */
interface EncodedPart {
  size: PackedSize;
  /** Copies it to where it belongs, here or on the thread that has it. */
  moveTo(place: Place): void;
}

export class PoolBatch {
  readonly #id: number;
  readonly #options: EncodeBatchOptions;
  readonly #parts: Part[];
  readonly #taken: Int32Array;
  /** What came of the parts that have no place yet. */
  readonly #outcomes: (EncodedPart | Error | undefined)[] = [];
  readonly #builder: PackedBuilder;
  readonly #asked = new Set<PoolThread>();
  #sent = 0;
  #placed = 0;
  /** Parts that other threads are copying. */
  #moving = 0;
  #wake = () => {};

  /**
   * @param id by which the threads know the batch.
   * @throws TokenizerError BAD_TOKENIZER_OPTION
   */
  constructor(id: number, texts: Texts, options: EncodeBatchOptions, threads: number) {
    this.#id = id;
    this.#options = options;
    this.#parts = cut(texts, threads);
    this.#taken = new Int32Array(new SharedArrayBuffer(4 * this.#parts.length));
    this.#builder = new PackedBuilder(options, emptyColumns(SharedArrayBuffer));
  }

  /** Sends a thread parts ahead of need; the last one remains for this thread. */
  sendTo(thread: PoolThread): void {
    while (this.#sent < this.#parts.length - 1 && thread.pending < MOST_AHEAD) this.#send(thread, this.#sent++);
  }

  /** Encodes the next part on this thread; when all are sent, the last one that nobody has begun. @returns whether there was one. */
  encodeNext(tokenizer: BertTokenizer, spares: SpareColumns): boolean {
    let part = this.#sent < this.#parts.length ? this.#sent++ : this.#parts.length - 1;
    while (part >= this.#placed && !takePart(this.#taken, part)) part--;
    if (part < this.#placed) return false;
    this.#outcomes[part] = this.#encode(this.#parts[part]!, tokenizer, spares);
    return true;
  }

  /** Gives parts their places, as far as they are known. @returns the whole once it is complete. */
  place(): BatchEncoding | undefined {
    const outcomes = this.#outcomes;
    for (let outcome = outcomes[this.#placed]; outcome !== undefined; outcome = outcomes[this.#placed]) {
      if (outcome instanceof Error) throw outcome;
      if (!this.#builder.hasRoomFor(outcome.size)) {
        if (this.#moving > 0) return undefined; // To memory that would be replaced.
        this.#makeRoomFor(outcome.size);
      }
      outcome.moveTo(this.#builder.makePlace(outcome.size));
      outcomes[this.#placed++] = undefined;
    }
    return this.#placed === this.#parts.length && this.#moving === 0 ? this.#builder.finish() : undefined;
  }

  /** Until another thread has answered. */
  wait(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  /** Nobody need do anything more: the batch is complete, or it failed. */
  end(): void {
    this.#taken.fill(1);
    for (const thread of this.#asked) thread.ask({ what: "end", batch: this.#id });
  }

  #send(thread: PoolThread, part: number): void {
    const { texts, firstText } = this.#parts[part]!;
    const which = { batch: this.#id, part, options: this.#options };
    const moveTo = (place: Place) => {
      this.#moving++;
      thread.ask({ what: "place", ...which, place, firstText, target: this.#builder.columns }, () => {
        this.#moving--;
        this.#wake();
      });
    };
    this.#asked.add(thread);
    thread.ask({ what: "encode", ...which, texts, taken: this.#taken }, (reply) => {
      if (reply?.error !== undefined) this.#outcomes[part] = new TokenizerError(reply.error.code, reply.error.message);
      else if (reply?.size !== undefined) this.#outcomes[part] = { size: reply.size, moveTo };
      this.#wake();
    });
  }

  #encode({ texts, firstText }: Part, tokenizer: BertTokenizer, spares: SpareColumns): EncodedPart | Error {
    try {
      const { columns } = tokenizer.encodeInto(spares.take(), texts, this.#options);
      const moveTo = (place: Place) => {
        placeColumns(this.#builder.columns, place, columns, firstText, this.#options);
        spares.keep(columns);
      };
      return { size: columns, moveTo };
    } catch (error) {
      return error as Error;
    }
  }

  /** Makes room for the next part, and for what is expected after it. */
  #makeRoomFor(size: PackedSize): void {
    const { tokens, sequences } = this.#builder.columns;
    const growth = MARGIN * (this.#parts.at(-1)!.end / this.#parts[this.#placed]!.end || 1);
    this.#builder.reserve(Math.ceil(growth * (tokens + size.tokens)), Math.ceil(growth * (sequences + size.sequences)));
  }
}

/** Cuts texts into parts, at least one. @throws TokenizerError BAD_TOKENIZER_OPTION */
function cut(texts: Texts, threads: number): Part[] {
  let total = 0;
  for (let i = 0; i < texts.length; i++) total += 1 + charactersOf(texts, i);
  const parts: Part[] = [];
  for (let firstText = 0, end = 0; firstText < texts.length || parts.length === 0; ) {
    const size = Math.max(LEAST_OF_PART, Math.min(MOST_OF_PART, (total - end) / (8 * threads)));
    const least = end + size;
    let to = firstText;
    for (; to < texts.length && end < least; to++) end += 1 + charactersOf(texts, to);
    parts.push({ texts: texts.slice(firstText, to) as Texts, firstText, end });
    firstText = to;
  }
  return parts;
}

function charactersOf(texts: Texts, index: number): number {
  const text: unknown = texts[index];
  if (typeof text === "string") return text.length;
  if (Array.isArray(text) && text.length === 2) {
    const [first, second] = text as unknown[];
    if (typeof first === "string" && typeof second === "string") return first.length + second.length;
  }
  throw badOption(`texts[${index}]`, text, "a text, or a pair of texts");
}
