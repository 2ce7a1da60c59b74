/**
 * A program with an embedded PostgreSQL, for tests that kill it: `node embedded_program.ts <dataDir>` prints one line
 * of JSON when the server is up, then lives until it is told (SIGTERM: stops in order) or killed.
 */
import { silentLogger } from "../../src/foundation/log.ts";
import { startEmbeddedPostgres } from "../../src/foundation/postgres/index.ts";

const postgres = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? "", log: silentLogger });
process.once("SIGTERM", async () => {
  await postgres.stop();
  process.exit(0);
});
process.once("SIGUSR2", () => process.exit(3));
process.stdout.write(`${JSON.stringify({ url: postgres.url, serverPid: postgres.pid })}\n`);
