import type { Tensor } from "@node-bert/core-native";
import type { GradientArena } from "./gradient-arena.js";
import type { PlacedBlock, PlacedParameter } from "./layout.js";

/** A stretch of the arena that is trained alike. */
export interface TrainableRange {
  /** In elements, in the parameter arena. */
  offset: number;
  size: number;
  /** Whether weight decay applies. */
  decay: boolean;
  names: string[];
  parameter: Tensor; // (size)
  gradient: Tensor; // (size)
  /** The 16-bit working copies, which the optimizer's sweep writes. */
  copy: Tensor | undefined; // (size)
}

interface Stretch {
  offset: number;
  end: number;
  gradientOffset: number;
  decay: boolean;
  copied: boolean;
  names: string[];
  /** Where the last block ends with its padding. */
  roomEnd: number;
}

/** Merges neighbours; the padding between blocks belongs to the range: its values and gradients are zero and stay so. */
export function trainableRanges(
  store: { arena: Tensor; copies: Tensor | undefined; copiesFrom: number },
  parameters: readonly { placed: PlacedParameter; block: { placed: PlacedBlock }; trainable: boolean }[],
  gradients: GradientArena,
): TrainableRange[] {
  const stretches: Stretch[] = [];
  for (const { placed, block, trainable } of parameters) {
    if (!trainable) continue;
    const { decay, operand } = block.placed;
    const copied = operand && store.copies !== undefined;
    const end = placed.offset + placed.size;
    const last = stretches[stretches.length - 1];
    const adjoins = last !== undefined && (last.end === placed.offset || last.roomEnd === placed.offset);
    const blockEnd = block.placed.offset + block.placed.size;
    const roomEnd = end === blockEnd ? block.placed.offset + block.placed.room : end;
    if (adjoins && last.decay === decay && last.copied === copied) {
      last.end = end;
      last.roomEnd = roomEnd;
      last.names.push(placed.name);
    } else {
      const gradientOffset = gradients.offsetOf(placed.name);
      stretches.push({ offset: placed.offset, end, gradientOffset, decay, copied, names: [placed.name], roomEnd });
    }
  }
  return stretches.map(({ offset, end, gradientOffset, decay, copied, names }) => {
    const size = end - offset;
    return {
      offset,
      size,
      decay,
      names,
      parameter: store.arena.view([size], offset),
      gradient: gradients.arena!.view([size], gradientOffset),
      copy: copied ? store.copies!.view([size], offset - store.copiesFrom) : undefined,
    };
  });
}
