import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** Losses in the device's float type. */
export interface CrossEntropy {
  loss: Tensor; // (1) mean over the rows that count; 0 when none does
  losses: Tensor; // (N) of each row; 0 where ignored
}

/**
 * −log softmax(logits)[label], averaged over the rows whose label is not `ignoreIndex`, as `torch.nn.functional.cross_entropy`.
 * @param logits (N, C)
 * @param labels (N) i32, below C; one out of range rejects at the next sync point, naming the row
 * @param options.ignoreIndex default −100
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: { ignoreIndex?: number } = {}): CrossEntropy {
  const { device } = logits;
  const params = [options.ignoreIndex ?? -100];
  const losses = device.empty([logits.shape[0]]);
  const loss = device.empty([1]);
  device.run("cross_entropy_forward", [logits, labels, losses, loss, undefined], params);
  const tape = Tape.recording(logits);
  tape?.append({
    output: loss,
    inputs: [logits, labels],
    backward: (dLoss) => {
      const dLogits = device.empty(logits.shape, logits.dtype);
      device.run("cross_entropy_backward", [logits, labels, dLoss, dLogits], params);
      tape.add(logits, dLogits);
    },
  });
  return { loss, losses };
}
