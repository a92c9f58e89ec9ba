import type { BertConfig } from "../config.js";
import type { ParameterBlock } from "../parameters/layout.js";

export interface EncoderBlockOptions {
  /** Before each name: "bert." in models with a head, "" in a bare encoder. */
  prefix: string;
  /** Whether there is a pooler. */
  pooler: boolean;
  /** Whether the word embeddings are the decoder's weights too (masked language models). */
  tiedDecoder: boolean;
}

/** The parameters of `BertModel`, from the bottom to the top. */
export function encoderBlocks(config: BertConfig, options: EncoderBlockOptions): ParameterBlock[] {
  const { hiddenSize: H, intermediateSize: F } = config;
  const { prefix, pooler, tiedDecoder } = options;
  const embeddings = (name: string, shape: number[], operand = false): ParameterBlock => {
    const full = `${prefix}embeddings.${name}`;
    return { key: full, names: [full], shape, part: "embeddings", operand };
  };
  const blocks = [
    embeddings("token_type_embeddings.weight", [config.typeVocabSize, H]),
    embeddings("position_embeddings.weight", [config.maxPositionEmbeddings, H]),
    embeddings("word_embeddings.weight", [config.vocabSize, H], tiedDecoder),
    embeddings("LayerNorm.weight", [H]),
    embeddings("LayerNorm.bias", [H]),
  ];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const path = `${prefix}encoder.layer.${layer}`;
    const one = (name: string, shape: number[]): ParameterBlock => {
      const full = `${path}.${name}`;
      return { key: full, names: [full], shape, part: "layer", layer, operand: shape.length === 2 };
    };
    const qkv = (name: string, shape: number[]): ParameterBlock => ({
      key: `${path}.attention.self.qkv.${name}`,
      names: ["query", "key", "value"].map((part) => `${path}.attention.self.${part}.${name}`),
      shape,
      part: "layer",
      layer,
      operand: shape.length === 2,
    });
    blocks.push(
      qkv("weight", [H, H]),
      qkv("bias", [H]),
      one("attention.output.dense.weight", [H, H]),
      one("attention.output.dense.bias", [H]),
      one("attention.output.LayerNorm.weight", [H]),
      one("attention.output.LayerNorm.bias", [H]),
      one("intermediate.dense.weight", [F, H]),
      one("intermediate.dense.bias", [F]),
      one("output.dense.weight", [H, F]),
      one("output.dense.bias", [H]),
      one("output.LayerNorm.weight", [H]),
      one("output.LayerNorm.bias", [H]),
    );
  }
  if (pooler) {
    const one = (name: string, shape: number[]): ParameterBlock => {
      const full = `${prefix}pooler.dense.${name}`;
      return { key: full, names: [full], shape, part: "pooler", operand: false };
    };
    blocks.push(one("weight", [H, H]), one("bias", [H]));
  }
  return blocks;
}

/** A parameter of a head. @param operand whether it meets activations of the encoder's type in a GEMM */
export function headBlock(name: string, shape: number[], operand = false): ParameterBlock {
  return { key: name, names: [name], shape, part: "head", operand };
}
