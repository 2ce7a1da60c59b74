/**
 * Runs the tests. Arguments are vitest's: a part of a file's name, `-t "part of a test's name"`, …
 *
 * The last line is always `N passed, N failed`. What counts as failed: a test, a file that could not be loaded, and
 * an error that no test caught. Exit code 0 only when nothing failed and something passed.
 */
import { parseCLI, startVitest, type Vitest } from "vitest/node";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

function count(vitest: Vitest): Counts {
  const counts: Counts = { passed: 0, failed: vitest.state.getUnhandledErrors().length, skipped: 0 };
  for (const file of vitest.state.getTestModules()) {
    counts.failed += file.errors().length;
    for (const test of file.children.allTests()) {
      const { state } = test.result();
      counts[state === "passed" || state === "skipped" ? state : "failed"] += 1;
    }
    for (const suite of file.children.allSuites()) {
      counts.failed += suite.errors().length;
    }
  }
  return counts;
}

async function main(): Promise<Counts> {
  const { filter, options } = parseCLI(["vitest", "run", ...process.argv.slice(2)]);
  const vitest = await startVitest(filter, { ...options, watch: false });
  const counts = count(vitest);
  await vitest.close();
  return counts;
}

const counts = await main().catch((error: unknown): Counts => {
  console.error(error);
  return { passed: 0, failed: 1, skipped: 0 };
});
if (counts.skipped > 0) {
  console.log(`${counts.skipped} skipped`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
