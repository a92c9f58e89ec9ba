// Opens what --model names: a device, a classifier and its tokenizer.
import { BertForSequenceClassification, openDevice } from "@node-bert/bert";
import { BertTokenizer, resolveModelFolder } from "@node-bert/datasets";
import { note } from "./output.js";

export interface ModelChoice {
  model: string;
  device: string;
  threads?: number;
  precision: "fp32" | "bf16" | "fp16" | "int8" | "auto";
  dropout?: number;
  seed?: number;
  reinitialize?: string;
  keepLayers?: number;
}

export interface LoadedModel extends Disposable {
  model: BertForSequenceClassification;
  tokenizer: BertTokenizer;
  folder: string;
}

/** @param labels names of the classes of a new head; default those of the folder */
export async function loadModel(choice: ModelChoice, labels?: readonly string[]): Promise<LoadedModel> {
  const folder = await resolveModelFolder(choice.model);
  const device = openDevice(choice.device, { threads: choice.threads });
  try {
    // The device's thread reads the weights while this one reads the vocabulary.
    const [tokenizer, model] = await Promise.allSettled([
      BertTokenizer.fromPretrained(folder),
      loadClassifier(choice, folder, device, labels),
    ]);
    if (tokenizer.status === "rejected") throw tokenizer.reason;
    if (model.status === "rejected") throw model.reason;
    return {
      model: model.value,
      tokenizer: tokenizer.value,
      folder,
      [Symbol.dispose]: () => {
        model.value.dispose();
        device.dispose();
      },
    };
  } catch (error) {
    device.dispose();
    throw error;
  }
}

/** Says that what the model predicts means nothing, when nobody has trained its classifier. */
export function warnOfUntrainedHead({ model, folder }: LoadedModel): void {
  if (model.loadReport?.initialized.some((name) => name.startsWith("classifier.")))
    note(
      `Warning: ${folder} has no trained classifier: its random head guesses, and its predictions mean nothing. bert finetune trains one.`,
    );
}

export function loadClassifier(
  choice: ModelChoice,
  folder: string,
  device: ReturnType<typeof openDevice>,
  labels?: readonly string[],
): Promise<BertForSequenceClassification> {
  const { precision, dropout, seed, reinitialize, keepLayers } = choice;
  const options = {
    device,
    precision,
    dropout,
    seed,
    reinitialize,
    keepLayers,
    onNotice: ({ message }: { message: string }) => note(message),
  };
  return BertForSequenceClassification.fromPretrained(
    folder,
    labels === undefined ? options : { ...options, id2label: labels },
  );
}
