export { HubError, type HubErrorCode, NodeBertError } from "./errors.js";
