/**
 * Writes docs/errors.md from the error codes that the rooms declare: `node scripts/document_errors.ts`.
 * A test compares the file with what this program would write.
 */

import { globSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { declaredErrors, type ErrorDeclaration, errorKinds } from "../src/foundation/errors.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

export const errorsDocument = join(root, "docs", "errors.md");

/** The modules that declare error codes, as absolute paths; loading them fills `declaredErrors`. */
export function errorModules(): string[] {
  const files = globSync("src/**/*.ts", { cwd: root }).sort();
  return files
    .filter((file) => !file.endsWith(".test.ts"))
    .map((file) => join(root, file))
    .filter(
      (path) =>
        /\berrorCatalog\(/.test(readFileSync(path, "utf8")) && path !== join(root, "src", "foundation", "errors.ts"),
    );
}

/** The page for these codes, in the form that the formatter leaves alone. */
export function renderErrors(errors: readonly ErrorDeclaration[]): string {
  const rooms = Map.groupBy(errors, ({ code }) => code.split(".")[0] ?? "");
  const parts = [introduction];
  for (const [room, codes] of [...rooms].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const rows = codes.map(({ code, kind, status, summary }) => [
      `\`${code}\``,
      String(status),
      errorKinds[kind].retry ? "yes" : "no",
      summary.replaceAll("|", "\\|"),
    ]);
    parts.push(`## ${room}`, renderTable([["code", "status", "again?", "what it says"], ...rows]));
  }
  return `${parts.join("\n\n")}\n`;
}

/** A Markdown table with columns of even width; the first row is the head. */
function renderTable(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(
    (row) => `| ${widths.map((width, column) => (row[column] ?? "").padEnd(width)).join(" | ")} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

const introduction = `# Error codes

Every refusal is a problem document (RFC 9457, \`application/problem+json\`) with one of these codes in \`code\`, and the
status given here. _Again?_ tells whether the same request may succeed later without a change; then \`Retry-After\` says
when, if that is known. Faults of an input come all at once in \`errors: [{ pointer, message, expected }]\`.

Failures of a workflow's steps are not refusals of a request; their codes are in \`src/tasks/README.md\`.

This page is written by \`scripts/document_errors.ts\` from the codes that the program declares.`;

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const path of errorModules()) await import(pathToFileURL(path).href);
  await writeFile(errorsDocument, renderErrors(declaredErrors()));
}
