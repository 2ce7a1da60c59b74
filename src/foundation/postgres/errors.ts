/** Refusals of the embedded PostgreSQL. */
import { errorCatalog } from "../errors.ts";

export const postgresErrors = errorCatalog("postgres", {
  data_dir_in_use: {
    kind: "conflict",
    summary: "Another running program uses the same data directory.",
  },
  binaries_missing: {
    kind: "unavailable",
    summary: "There are no PostgreSQL binaries for this platform, or they cannot be run.",
  },
  version_mismatch: {
    kind: "conflict",
    summary: "The data directory was made by another major version of PostgreSQL.",
  },
  start_failed: {
    kind: "unavailable",
    summary: "The embedded PostgreSQL could not be created or started.",
  },
});
