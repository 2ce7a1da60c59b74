export { binariesRoot } from "./binaries.ts";
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  runningPostgresUrl,
  startEmbeddedPostgres,
} from "./embedded.ts";
