import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "@node-bert/core-native";
import { configFields } from "../config.js";
import type { BertPreTrainedModel } from "../model/bert-pre-trained-model.js";
import type { SaveOptions } from "../model/types.js";
import { type TensorSource, writeSafetensors } from "../safetensors/write-file.js";
import { modelCard } from "./model-card.js";
import { fillFolder } from "./staged-folder.js";

/** Elements read from the device at once: 16 MB. */
const CHUNK = 1 << 22;

/** See {@link BertPreTrainedModel.savePretrained}. */
export async function saveModel(
  model: BertPreTrainedModel,
  architecture: string,
  folder: string,
  options: SaveOptions,
): Promise<string[]> {
  return fillFolder(folder, async (staging) => {
    const {
      dtype: _,
      torch_dtype: __,
      ...fields
    } = configFields(model.config, architecture) as Record<string, unknown>;
    fields.dtype = options.precision === "bf16" ? "bfloat16" : "float32";
    if (architecture.endsWith("ForSequenceClassification")) fields.problem_type = "single_label_classification";
    const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
    await writeFile(join(staging, "config.json"), `${JSON.stringify(sorted, null, 2)}\n`);
    await options.tokenizer?.save(staging);
    await writeFile(join(staging, "README.md"), modelCard(model.config, architecture, options.modelCard));
    await writeSafetensors(join(staging, "model.safetensors"), sources(model, options.precision ?? "fp32"), {
      format: "pt",
    });
  });
}

function sources(model: BertPreTrainedModel, precision: "fp32" | "bf16"): TensorSource[] {
  return [...model.parameters].map(({ name, shape, tensor }) => ({
    name,
    type: precision === "bf16" ? "BF16" : "F32",
    shape,
    chunks: () => readChunks(tensor, precision),
  }));
}

async function* readChunks(tensor: Tensor, precision: "fp32" | "bf16"): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < tensor.size; from += CHUNK) {
    const view = tensor.view([Math.min(CHUNK, tensor.size - from)], from);
    const reading = precision === "bf16" ? readRounded(view) : view.read();
    view.dispose();
    const values = await reading;
    if (values instanceof Uint16Array) yield new Uint8Array(values.buffer);
    else {
      const floats = values instanceof Float32Array ? values : Float32Array.from(values);
      yield new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    }
  }
}

/** The values rounded to bf16 on the device, as the file has them: the upper halves of floats. */
async function readRounded(values: Tensor): Promise<Uint16Array> {
  const { device } = values;
  const rounded = device.empty(values.shape, "bf16");
  device.run("convert", [values, rounded], []);
  const reading = rounded.read();
  rounded.dispose();
  const floats = (await reading) as Float32Array;
  return Uint16Array.from(new Uint32Array(floats.buffer, floats.byteOffset, floats.length), (bits) => bits >>> 16);
}
