import { Tape, type Tensor } from "@node-bert/core-native";

/** x in another float type; its gradient comes back in x's. */
export function cast(x: Tensor, dtype: Tensor["dtype"]): Tensor {
  if (x.dtype === dtype) return x;
  const { device } = x;
  const y = device.empty(x.shape, dtype);
  device.run("convert", [x, y], []);
  const tape = Tape.recording(x);
  tape?.append({
    output: y,
    inputs: [],
    backward: (dy) => {
      const dx = device.empty(x.shape, x.dtype);
      device.run("convert", [dy, dx], []);
      tape.add(x, dx);
    },
  });
  return y;
}
