export type { Db, Row } from "./client.ts";
export type { Connection } from "./connection.ts";
export { Database, type DatabaseOptions } from "./database.ts";
export { type MigrateOptions, type MigrationStatus, migrateDown, migrateUp, migrationStatus } from "./migrate.ts";
export { type Migration, projectMigrations, readMigrations } from "./migration_files.ts";
export { checkServer, type ServerFacts } from "./server.ts";
export { isConnectionLost, isDataError, isTransient, sqlStateOf } from "./sqlstate.ts";
export { allStatements, type Statement, statement } from "./statements.ts";
