/** What is left of something when all is taken away that it does not need in order to fail. */

/** Parts without which a definition would not be one. */
const needed = new Set([
  ...[
    "workflowId",
    "name",
    "version",
    "stepId",
    "type",
    "taskId",
    "eventPattern",
    "status",
    "branchId",
    "delay",
    "items",
  ],
  ...["duration", "condition", "nextStep", "steps", "branches", "expression", "compensationFor"],
]);

/** Takes away list items and members one by one, as long as `fails` says that it still fails in the same way. */
export function smallest<T extends object>(given: T, fails: (smaller: T) => boolean): T {
  for (const path of pathsOf(given)) {
    const smaller = structuredClone(given);
    if (remove(smaller, path) && fails(smaller)) return smallest(smaller, fails);
  }
  return given;
}

function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => [[...path, key], ...pathsOf(part, [...path, key])]);
}

function remove(value: unknown, [key, ...rest]: string[]): boolean {
  const holder = value as Record<string, unknown>;
  if (rest.length > 0) return remove(holder[key!], rest);
  if (Array.isArray(value)) return value.length > 1 && value.splice(Number(key), 1).length > 0;
  return !needed.has(key!) && delete holder[key!];
}
