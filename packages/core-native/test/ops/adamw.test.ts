// AdamW and clipping against torch.optim.AdamW's and torch.nn.utils.clip_grad_norm_'s formulae, over several steps.
import test from "ava";
import type { Device } from "../../src/index.js";
import { DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const N = 50;
const STEPS = 6;

interface Settings {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  maxNorm: number;
  gradScale: number;
}

const SETTINGS: Record<string, Settings> = {
  defaults: { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxNorm: 0, gradScale: 1 },
  clipped: { lr: 2e-3, beta1: 0.8, beta2: 0.99, eps: 1e-6, weightDecay: 0.1, maxNorm: 1, gradScale: 1 },
  "clipped and scaled": {
    lr: 2e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0,
    maxNorm: 0.5,
    gradScale: 0.125,
  },
};

/** The loop of torch.optim.AdamW (single tensor, no amsgrad) in plain numbers. */
function torchAdamW(start: Float64Array, gradients: Float64Array[], s: Settings): Float64Array {
  const p = Float64Array.from(start);
  const m = new Float64Array(p.length);
  const v = new Float64Array(p.length);
  gradients.forEach((raw, index) => {
    const step = index + 1;
    let g = raw.map((value) => value * s.gradScale);
    if (s.maxNorm > 0) {
      const norm = Math.hypot(...g);
      const coefficient = Math.min(1, s.maxNorm / (norm + 1e-6));
      g = g.map((value) => value * coefficient);
    }
    for (let i = 0; i < p.length; i++) {
      p[i] *= 1 - s.lr * s.weightDecay;
      m[i] += (g[i] - m[i]) * (1 - s.beta1); // torch's lerp
      v[i] = v[i] * s.beta2 + g[i] * g[i] * (1 - s.beta2);
      const denominator = Math.sqrt(v[i]) / Math.sqrt(1 - s.beta2 ** step) + s.eps;
      p[i] -= (s.lr / (1 - s.beta1 ** step)) * (m[i] / denominator);
    }
  });
  return p;
}

async function deviceAdamW(device: Device, start: Float64Array, gradients: Float64Array[], s: Settings) {
  const param = device.tensor(start);
  const m = device.zeros([N]);
  const v = device.zeros([N]);
  gradients.forEach((raw, index) => {
    device.scope(() => {
      const gradient = device.tensor(raw);
      const norm = device.zeros([1]);
      device.run("sum_of_squares", [gradient, norm], []);
      const params = [s.lr, s.beta1, s.beta2, s.eps, s.weightDecay, index + 1, s.maxNorm, s.gradScale, 0];
      device.run("adamw", [param, gradient, m, v, undefined, norm, undefined], params);
    });
  });
  return param.read();
}

for (const [label, settings] of Object.entries(SETTINGS)) {
  const random = randomFor(`adamw ${label}`);
  const start = random.normal(N);
  const gradients = Array.from({ length: STEPS }, () => random.normal(N));
  const expected = torchAdamW(start, gradients, settings);
  const farthest = (actual: ArrayLike<number>) => Math.max(...expected.map((value, i) => Math.abs(value - actual[i])));

  test.serial(`${label}: the reference takes torch's steps`, async (t) => {
    t.true(farthest(await deviceAdamW(referenceDevice(), start, gradients, settings)) < 1e-14);
    t.true(farthest(start) > 1e-3, "the parameters moved");
  });

  for (const name of DEVICE_NAMES) {
    test.serial(`${label}: ${name} takes torch's steps`, async (t) => {
      t.true(farthest(await deviceAdamW(testDevice(name), start, gradients, settings)) < 1e-6);
    });
  }
}

for (const name of DEVICE_NAMES) {
  test.serial(
    `${name}: zero_grad clears the gradient, copy has the new parameters in bf16, no clipping below the norm`,
    async (t) => {
      const device = testDevice(name);
      const make = () => device.tensor(new Float32Array([1, 2, 3]));
      const [param, gradient, m, v] = [make(), make(), device.zeros([3]), device.zeros([3])];
      const copy = device.zeros([3], "bf16");
      const norm = device.tensor(new Float32Array([14]));
      device.run("adamw", [param, gradient, m, v, copy, norm, undefined], [0.5, 0.9, 0.999, 1e-8, 0, 1, 100, 1, 1]);
      t.deepEqual([...(await gradient.read())], [0, 0, 0]);
      t.deepEqual([...(await copy.read())], [0.5, 1.5, 2.5]);
      const clipped = [...(await m.read())];
      clipped.forEach((value, i) => {
        t.true(Math.abs(value - 0.1 * (i + 1)) < 1e-6);
      });
    },
  );
}
