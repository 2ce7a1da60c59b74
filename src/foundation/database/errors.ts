/** Refusals of the database layer. */
import { errorCatalog } from "../errors.ts";

export const databaseErrors = errorCatalog("database", {
  server_unsupported: {
    kind: "unavailable",
    summary: "The PostgreSQL server is of a version, or has a setting, with which nothing accepted could be kept safe.",
  },
  commit_refused: {
    kind: "internal",
    summary: "A transaction in which a statement had failed was to be committed; the server rolled it back.",
  },
  migration_invalid: {
    kind: "internal",
    summary: "The files of the migrations contradict each other, or one of them has failed.",
  },
  migration_changed: {
    kind: "conflict",
    summary: "A migration that is applied to the database differs from the file of the same version.",
  },
  migration_unknown: {
    kind: "conflict",
    summary: "The database holds a breaking migration that this program does not know: the program is too old.",
  },
});
