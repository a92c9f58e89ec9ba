export { isRepoName, type Repo } from "./cache-layout.js";
export {
  type DownloadOptions,
  downloadFile,
  downloadKnownFile,
  downloadSnapshot,
  type KnownFile,
  listRepo,
  type RepoListing,
  type Snapshot,
} from "./download.js";
export { hubCacheFolder, hubEndpoint, hubHome, isOffline } from "./environment.js";
export { HubError, type HubErrorCode, NodeBertError } from "./errors.js";
export type { RetryPolicy } from "./http.js";
export { resolveModelFolder } from "./model-folder.js";
export type { DownloadProgress } from "./progress.js";
