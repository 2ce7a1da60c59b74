/** The deliveries that GitHub documents: every payload of `@octokit/webhooks-examples`, 329 of 58 kinds. */
import { readFile } from "node:fs/promises";

export interface Delivery {
  /** `push-3`: unique among the deliveries, the same in every program. */
  name: string;
  /** The `X-GitHub-Event` header. */
  kind: string;
  payload: Record<string, unknown>;
}

interface Kind {
  name: string;
  examples: Record<string, unknown>[];
}

export async function readDeliveries(): Promise<Delivery[]> {
  const location = import.meta.resolve("@octokit/webhooks-examples/api.github.com/index.json");
  const kinds: Kind[] = JSON.parse(await readFile(new URL(location), "utf8"));
  return kinds.flatMap(({ name: kind, examples }) =>
    examples.map((payload, index) => ({ name: `${kind}-${index + 1}`, kind, payload })),
  );
}
