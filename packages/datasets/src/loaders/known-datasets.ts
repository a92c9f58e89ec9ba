// Datasets that have a short name: where they lie on the Hub, and what their columns mean in every form they come in.

/** A dataset known by name. */
export interface KnownDataset {
  /** Short name; also the folder looked for under NODE_BERT_DATA. */
  name: string;
  /** Other names it is asked for by; `glue` needs the configuration `sst2`. */
  aliases: string[];
  /** Repository on the Hub. */
  hub: string;
  /** Class names, index = class id. */
  labelNames: string[];
  /** Columns of other copies, under the name that the Hub's has. */
  rename: Record<string, string>;
  /** The original archive, when the Hub cannot be reached. */
  archive?: { url: string; bytes: number; sha256: string };
}

const KNOWN: KnownDataset[] = [
  {
    name: "imdb",
    aliases: ["imdb", "stanfordnlp/imdb"],
    hub: "stanfordnlp/imdb",
    labelNames: ["neg", "pos"],
    rename: {},
    archive: {
      url: "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
      bytes: 84_125_825,
      sha256: "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    },
  },
  {
    name: "sst2",
    aliases: ["sst2", "stanfordnlp/sst2", "glue/sst2", "nyu-mll/glue/sst2"],
    hub: "stanfordnlp/sst2",
    labelNames: ["negative", "positive"],
    rename: { content: "sentence" },
  },
];

/** The known dataset that a name and configuration mean, if any. */
export function findKnown(name: string, config: string | undefined): KnownDataset | undefined {
  const full = config !== undefined && name.endsWith("glue") ? `${name}/${config}` : name;
  return KNOWN.find(({ aliases }) => aliases.includes(full));
}
