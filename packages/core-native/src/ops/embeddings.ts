import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { gradientOf } from "./gradient-of.js";

/** The tables and the LayerNorm of `BertEmbeddings`, all in the device's float type. */
export interface EmbeddingParameters {
  word: Tensor; // (V, H)
  position: Tensor; // (P, H)
  type: Tensor; // (T, H)
  gamma: Tensor; // (H)
  beta: Tensor; // (H)
}

/**
 * y = dropout(LayerNorm(word[id] + position[pos] + type[tt])), BERT's input embeddings.
 * @param ids (N) i32, below V; an id out of range rejects at the next sync point, naming token and id
 * @param positions (N) i32, below P
 * @param types (N) i32, below T
 * @param options.dtype type of the result; default the device's float type
 * @returns (N, H)
 */
export function embeddings(
  ids: Tensor,
  positions: Tensor,
  types: Tensor,
  parameters: EmbeddingParameters,
  options: { eps?: number; dropout?: number; dtype?: Tensor["dtype"] } = {},
): Tensor {
  const { device } = ids;
  const { word, position, type, gamma, beta } = parameters;
  const [tokens] = ids.shape;
  const y = device.empty([tokens, word.shape[1]], options.dtype ?? device.floatType);
  const mean = device.empty([tokens]);
  const rstd = device.empty([tokens]);
  const params = [options.eps ?? 1e-12, ...device.nextDropout(options.dropout ?? 0)];
  device.run("embeddings_forward", [ids, positions, types, word, position, type, gamma, beta, y, mean, rstd], params);
  const tape = Tape.recording(word, position, type, gamma, beta);
  if (tape === undefined) {
    mean.dispose();
    rstd.dispose();
    return y;
  }
  tape.append({
    output: y,
    inputs: [ids, positions, types],
    extras: [mean, rstd],
    backward: (dy) => {
      const gradients = [word, position, type, gamma, beta].map((parameter) =>
        parameter.requiresGrad ? gradientOf(tape, parameter) : undefined,
      );
      const inputs = [ids, positions, types, word, position, type, gamma, mean, rstd, dy];
      device.run("embeddings_backward", [...inputs, ...gradients], params);
    },
  });
  return y;
}
